package lang

import "testing"

func TestDetect(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		want Language
	}{
		{nil, English},
		{map[string]string{"LANG": "zh_CN.UTF-8"}, Chinese},
		{map[string]string{"LANG": "zh_TW"}, Chinese},
		{map[string]string{"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, English},
		{map[string]string{"LANG": "zh_CN.UTF-8", "LC_ALL": "C.UTF-8", "LANGUAGE": "zh"}, English},
		{map[string]string{"LANG": "zh_CN.UTF-8", "LC_MESSAGES": "en_US.UTF-8"}, English},
		{map[string]string{"LANG": "de_DE.UTF-8"}, English},
		{map[string]string{"LANG": "de_DE.UTF-8", "LANGUAGE": "de:zh_CN:en"}, Chinese},
		{map[string]string{"LANGUAGE": "zh"}, English}, // as gettext, which wants a locale first
	} {
		if got := Detect(func(name string) string { return c.env[name] }); got != c.want {
			t.Errorf("%v: %v, want %v", c.env, got, c.want)
		}
	}
}

func TestTextWith(t *testing.T) {
	got := Text{"%s has %d", "%[2]d 个：%[1]s"}.With(Text{"it", "它"}, 3)
	if want := (Text{"it has 3", "3 个：它"}); got != want {
		t.Errorf("%v, want %v", got, want)
	}
	if got := (Text{En: "only"}).In(Chinese); got != "only" {
		t.Errorf("without Chinese: %q", got)
	}
	if _, err := Parse("xx"); err == nil {
		t.Error("the language xx is taken")
	}
}
