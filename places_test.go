package godown

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// Who is waited for gets a place first; one who works ahead moves up when
// somebody begins to wait for him.
func TestPlacesInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPlaces(1, 0)
		if err := p.Take(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		var order []string
		join := func(name string, ctx context.Context) {
			go func() {
				if err := p.Take(ctx, 0); err != nil {
					t.Error(err)
				}
				order = append(order, name)
				p.Leave()
			}()
			synctest.Wait()
		}
		demanded := make(chan struct{})
		join("ahead 1", Ahead(t.Context()))
		join("later demanded", withDemand(t.Context(), demanded))
		join("demand 1", t.Context())
		join("demand 2", t.Context())
		if size, taken, waiting := p.State(); size != 1 || taken != 1 || waiting != 4 {
			t.Errorf("of %d places %d are taken, %d wait", size, taken, waiting)
		}
		close(demanded)
		synctest.Wait()
		p.Leave()
		synctest.Wait()
		if want := []string{"demand 1", "demand 2", "later demanded", "ahead 1"}; !slices.Equal(order, want) {
			t.Errorf("the order was %v, want %v", order, want)
		}
		if _, taken, waiting := p.State(); taken != 0 || waiting != 0 {
			t.Errorf("%d places are taken and %d wait", taken, waiting)
		}
	})
}

func TestPlacesAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPlaces(4, 1)
		ctx, cancel := context.WithCancel(Ahead(t.Context()))
		for range 3 {
			if err := p.Take(ctx, 0); err != nil {
				t.Fatal(err)
			}
		}
		ended := make(chan error, 1)
		go func() { ended <- p.Take(ctx, 0) }() // the fourth is not for it
		synctest.Wait()
		if err := p.Take(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		for range 4 {
			p.Leave()
		}
		if err := p.Take(Ahead(t.Context()), 0); err != nil {
			t.Errorf("a place that is free: %v", err)
		}
	})
}

// Patience begins with somebody's waiting.
func TestPlacesPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPlaces(1, 0)
		if err := p.Take(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		demanded := make(chan struct{})
		start := time.Now()
		time.AfterFunc(time.Hour, func() { close(demanded) })
		if err := p.Take(withDemand(t.Context(), demanded), time.Minute); !errors.Is(err, ErrNoPlace) {
			t.Errorf("got %v", err)
		}
		if waited := time.Since(start); waited != time.Hour+time.Minute {
			t.Errorf("it waited %v", waited)
		}
		p.Resize(2, 0)
		if err := p.Take(t.Context(), time.Minute); err != nil {
			t.Errorf("after a place was added: %v", err)
		}
	})
}
