package goenv

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"
)

// A Profile is a set-up that has a name.
type Profile struct {
	Name   string            `json:"name"`
	Saved  time.Time         `json:"saved"`
	Values map[string]string `json:"values"` // of ModuleSettings; one that is not here is not set
}

// Changes returns what makes the set-up that of the file: all of ModuleSettings.
func (p Profile) Changes() []Change {
	var changes []Change
	for _, name := range ModuleSettings() {
		value, ok := p.Values[name]
		changes = append(changes, Change{Name: name, Value: value, Unset: !ok})
	}
	return changes
}

// Fits reports whether the settings in force are those of the profile.
func (p Profile) Fits(s *Settings) bool { return maps.Equal(p.Values, SetUp(s)) }

// SetUp returns those of ModuleSettings that are in force because the user has
// said them: in the environment or in the file.
func SetUp(s *Settings) map[string]string {
	found := make(map[string]string)
	for _, name := range ModuleSettings() {
		v := s.Values[name]
		if len(v.Said) > 0 && (v.Place() == Environment || v.Place() == User) && v.Said[0].Text != "" {
			found[name] = v.Said[0].Text
		}
	}
	return found
}

// CheckProfileName checks the name for a profile. Reserved names are those that
// stand for something else.
func CheckProfileName(name string, reserved []string) error {
	if !regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,39}$`).MatchString(name) {
		return explain("%[1]q is no name for a profile: up to 40 small letters, digits, \"-\" and \"_\"", "%[1]q 不能作为配置方案的名字：最多 40 个小写字母、数字、“-”、“_”", name)
	}
	if slices.Contains(append([]string{Default, Direct, Off}, reserved...), name) {
		return explain("the name %[1]q is taken: it stands for a preset", "名字 %[1]q 是预设，不能用", name)
	}
	return nil
}

// Profiles returns the profiles that are kept in a folder of [NewEditor], by name.
func Profiles(folder string) ([]Profile, error) {
	file := filepath.Join(folder, "profiles.json")
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var all []Profile
	if err == nil {
		err = json.Unmarshal(data, &all)
	}
	if err != nil {
		return nil, explain("the profiles: %[1]s: %[2]v", "配置方案 %[1]s：%[2]v", file, err)
	}
	slices.SortFunc(all, func(a, b Profile) int { return cmp.Compare(a.Name, b.Name) })
	return all, nil
}

// SaveProfile keeps what is in force under a name, in place of what had it.
func SaveProfile(ctx context.Context, folder, name string, s *Settings) (p Profile, replaced bool, err error) {
	p = Profile{Name: name, Saved: time.Now().UTC().Truncate(time.Second), Values: SetUp(s)}
	err = changeProfiles(ctx, folder, func(all []Profile) []Profile {
		all = slices.DeleteFunc(all, func(old Profile) bool {
			replaced = replaced || old.Name == name
			return old.Name == name
		})
		return append(all, p)
	})
	return p, replaced, err
}

// DeleteProfile forgets a profile, and reports whether there was one of the name.
func DeleteProfile(ctx context.Context, folder, name string) (found bool, err error) {
	err = changeProfiles(ctx, folder, func(all []Profile) []Profile {
		return slices.DeleteFunc(all, func(p Profile) bool {
			found = found || p.Name == name
			return p.Name == name
		})
	})
	return found, err
}

// changeProfiles changes the profiles while nobody else does.
func changeProfiles(ctx context.Context, folder string, change func([]Profile) []Profile) error {
	unlock, err := (&Editor{folder: folder}).lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	all, err := Profiles(folder)
	if err != nil {
		return err
	}
	data, err := json.MarshalIndent(change(all), "", "\t")
	if err == nil {
		err = writeWhole(filepath.Join(folder, "profiles.json"), append(data, '\n'), 0o600)
	}
	if err != nil {
		return explain("the profiles: %[1]v", "配置方案：%[1]v", err)
	}
	return nil
}
