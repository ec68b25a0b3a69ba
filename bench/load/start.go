package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/godown-dev/godown/internal/godowntest"
)

// start measures the time from starting godown to its first answer, with few
// and with many stored files.
func (b *bench) start(ctx context.Context) error {
	mods, err := godowntest.ParseModules("")
	if err != nil {
		return err
	}
	up, err := startUpstream(mods, "")
	if err != nil {
		return err
	}
	defer up.close()
	counts := []int{100, 100_000}
	folders := make([]string, len(counts))
	targets := make([]*target, len(counts))
	for i, n := range counts {
		progress("storing %d files", n)
		folders[i] = filepath.Join(b.dir, fmt.Sprintf("start-%d", n))
		if targets[i], err = storeFiles(ctx, filepath.Join(folders[i], "modules"), n); err != nil {
			return err
		}
	}
	fmt.Printf("\n## Start: time from exec to the first answer, ms, median (least–greatest) of %d\n\n", 2*b.rounds)
	row("stored files", "server", "first answer")
	row("---", "---", "---")
	for _, c := range b.builds() {
		times := make([][]float64, len(counts))
		for range 2 * b.rounds {
			for i := range counts {
				var d time.Duration
				err := b.undisturbed(ctx, nil, func() (err error) {
					d, err = b.firstAnswer(ctx, c, folders[i], targets[i], up)
					return err
				})
				if err != nil {
					return fmt.Errorf("%s: %w", c.name, err)
				}
				times[i] = append(times[i], ms(d))
			}
		}
		for i, n := range counts {
			row(fmt.Sprint(n), c.name, spread(times[i], 1))
		}
	}
	return nil
}

// storeFiles lays out n files, the .info and .mod of ten versions of each
// module, and returns one in the middle.
func storeFiles(ctx context.Context, dir string, n int) (*target, error) {
	var middle *target
	for i := range n / 2 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		path := fmt.Sprintf("example.com/g%d/m%d", i/versionsPerModule%100, i/versionsPerModule)
		version := fmt.Sprintf("v1.0.%d", i%versionsPerModule)
		name := path + "/@v/" + version
		info := `{"Version":"` + version + `","Time":"2020-02-02T20:20:20Z"}`
		for ext, data := range map[string]string{".info": info, ".mod": "module " + path + "\n"} {
			if err := writeFile(filepath.Join(dir, filepath.FromSlash(name+ext)), []byte(data)); err != nil {
				return nil, err
			}
		}
		if i == n/4 {
			middle = &target{name: name + ".info", request: []byte("GET /" + name + ".info HTTP/1.1\r\n"), size: int64(len(info))}
		}
	}
	return middle, nil
}

// firstAnswer starts godown and asks for t.
func (b *bench) firstAnswer(ctx context.Context, c *candidate, data string, t *target, up *upstream) (time.Duration, error) {
	begin := time.Now()
	s, err := b.startGodown(ctx, c.name, c.exe, data, up)
	if err != nil {
		return 0, err
	}
	defer s.stop()
	conn, err := dial(ctx, s.address, 4<<10, patience)
	if err != nil {
		return 0, err
	}
	defer conn.close()
	err = conn.get(t)
	return time.Since(begin), err
}
