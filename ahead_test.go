package godown_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
)

// What is fetched ahead ends with whoever wanted it, unless somebody waits for
// it now; who comes later begins anew.
func TestAheadEndsWhenNobodyWants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mods := godowntest.NewModules(t, helloModules)
		open := make(chan struct{})
		var asked, ended atomic.Int32
		src := godown.SourceFunc(func(ctx context.Context, req godown.Request) (*godown.File, error) {
			asked.Add(1)
			select {
			case <-open:
				return mods.Fetch(ctx, req)
			case <-ctx.Done():
				ended.Add(1)
				return nil, ctx.Err()
			}
		})
		r := newRig(t, nil, godown.Step{Source: src})
		req := hello(godown.Mod, "v1.0.0")
		fetch := func(ctx context.Context) chan error {
			result := make(chan error, 1)
			go func() {
				_, err := r.Fetch(ctx, req)
				result <- err
			}()
			synctest.Wait()
			return result
		}

		ctx, leave := context.WithCancel(godown.Ahead(t.Context()))
		first, second := fetch(ctx), fetch(godown.Ahead(t.Context()))
		leave()
		if err := <-first; !errors.Is(err, context.Canceled) {
			t.Errorf("who left got %v", err)
		}
		synctest.Wait()
		if asked.Load() != 1 || ended.Load() != 0 {
			t.Errorf("while another wants it: asked %d times, ended %d", asked.Load(), ended.Load())
		}
		ctx, leave = context.WithCancel(t.Context())
		demand := fetch(ctx)
		leave()
		<-demand
		synctest.Wait()
		if asked.Load() != 1 || ended.Load() != 0 {
			t.Errorf("after a demand: asked %d times, ended %d", asked.Load(), ended.Load())
		}
		close(open)
		if err := <-second; err != nil {
			t.Error(err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		mods := godowntest.NewModules(t, helloModules)
		var asked, ended atomic.Int32
		src := godown.SourceFunc(func(ctx context.Context, req godown.Request) (*godown.File, error) {
			if asked.Add(1) > 1 {
				return mods.Fetch(ctx, req)
			}
			<-ctx.Done()
			ended.Add(1)
			return nil, ctx.Err()
		})
		r := newRig(t, nil, godown.Step{Source: src})
		req := hello(godown.Mod, "v1.0.0")
		ctx, leave := context.WithCancel(godown.Ahead(t.Context()))
		go func() {
			synctest.Wait()
			leave()
		}()
		if _, err := r.Fetch(ctx, req); !errors.Is(err, context.Canceled) {
			t.Errorf("who left got %v", err)
		}
		synctest.Wait()
		if ended.Load() != 1 {
			t.Error("what nobody wants goes on")
		}
		wantFetch(t, r, req, mods.Data(req.Name()), godown.Miss)
		if asked.Load() != 2 {
			t.Errorf("asked %d times", asked.Load())
		}
	})
}

// A body that is followed can be waited for without being read.
func TestBodyCanBeWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mods, zip := big(t, 300<<10)
		src, w := pipe(len(zip))
		r := newRig(t, func(r *rig) { r.Verifier = oracle{mods} }, godown.Step{Source: src})
		result := make(chan error, 1)
		go func() {
			f, err := r.Fetch(t.Context(), bigZip)
			if err != nil {
				result <- err
				return
			}
			defer f.Close()
			result <- f.Body.(interface{ Wait(context.Context) error }).Wait(t.Context())
		}()
		w.Write(zip[:len(zip)-1])
		pass(2 * time.Second)
		select {
		case err := <-result:
			t.Fatalf("it was not waited for: %v", err)
		default:
		}
		w.Write(zip[len(zip)-1:])
		w.Close()
		if err := <-result; err != nil {
			t.Error(err)
		}
	})
}
