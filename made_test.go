package godown_test

import (
	"context"
	"crypto/sha256"
	"io"
	"strings"
	"testing"

	"github.com/godown-dev/godown"
)

// Of a zip that its Source says it has made, exactly these bytes are taken for
// what it says; any others are unpacked and hashed as all are.
func TestMadeZip(t *testing.T) {
	for name, bytes := range map[string]string{"these bytes": "", "others": "x"} {
		t.Run(name, func(t *testing.T) {
			var r *rig
			r = newRig(t, nil, godown.Step{Source: godown.SourceFunc(func(ctx context.Context, req godown.Request) (*godown.File, error) {
				f, err := r.mods.Fetch(ctx, req)
				if err != nil || req.Kind != godown.Zip {
					return f, err
				}
				defer f.Close()
				data, err := io.ReadAll(f.Reader())
				if err != nil {
					return nil, err
				}
				g := godown.NewFile(data)
				g.Made = &godown.Made{H1: "h1:" + strings.Repeat("A", 43) + "=", SHA256: sha256.Sum256(append(data, bytes...))}
				return g, nil
			})})
			f, err := r.Fetch(t.Context(), hello(godown.Zip, "v1.0.0"))
			if err == nil {
				_, err = io.Copy(io.Discard, f.Reader())
				f.Close()
			}
			// The hash is a wrong one, which the database refuses: that shows whether it was believed.
			if believed := bytes == ""; (err != nil) != believed {
				t.Errorf("err = %v", err)
			}
		})
	}
}
