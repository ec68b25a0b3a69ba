package witness

import (
	"context"
	"errors"
	"sync"
	"time"
)

// run asks witnesses until ctx ends.
func (c *Cosigners) run(ctx context.Context) {
	var current *candidate // what the witnesses are shown
	var since time.Time    // when it became that
	for {
		// A timer for each wait: there are few, seconds apart.
		var timer <-chan time.Time
		ask, wait := c.plan(&current, &since, time.Now())
		if len(ask) > 0 {
			c.round(ctx, current, ask)
			if ctx.Err() != nil {
				return
			}
			continue
		}
		if wait >= 0 {
			timer = time.After(wait)
		}
		select {
		case <-ctx.Done():
			return
		case <-c.wake:
		case <-timer:
		}
	}
}

// plan takes a newer candidate if it is time for one, and returns the members
// that are to be asked now. If there are none it says how long there is
// nothing to do; below 0: until something is offered.
func (c *Cosigners) plan(current **candidate, since *time.Time, now time.Time) (ask []*member, wait time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	wait = -1
	sooner := func(d time.Duration) {
		if wait < 0 || d < wait {
			wait = d
		}
	}
	if c.offered != *current {
		if left := c.conf.Interval - now.Sub(*since); left > 0 {
			sooner(left)
		} else {
			*current, *since = c.offered, now
			for _, m := range c.members {
				if 0 < m.ahead && m.ahead <= c.offered.tree.N {
					m.status.Next = time.Time{} // what it claims to have seen is here now
				}
			}
		}
	}
	if *current == nil {
		return nil, wait
	}
	for _, m := range c.members {
		if _, ok := (*current).lines[m]; ok {
			continue
		}
		if left := m.status.Next.Sub(now); !m.status.Next.IsZero() && left > 0 {
			sooner(left)
			continue
		}
		ask = append(ask, m)
	}
	return ask, wait
}

// round asks members for their cosignatures on a candidate, all at a time,
// and publishes what has a quorum: at once when it has, and at the end if more came.
func (c *Cosigners) round(ctx context.Context, cand *candidate, ask []*member) {
	type result struct {
		m   *member
		sig Cosignature
		err error
	}
	results := make(chan result, len(ask))
	var asking sync.WaitGroup
	defer asking.Wait()
	for _, m := range ask {
		asking.Go(func() {
			sig, err := m.Cosign(ctx, cand.note, c.conf.Prove)
			results <- result{m, sig, err}
		})
	}
	var reached, more bool
	for range ask {
		r := <-results
		if ctx.Err() != nil {
			return
		}
		alarm, quorum := c.record(cand, r.m, r.sig, r.err)
		if alarm && c.conf.Alarm != nil {
			c.conf.Alarm(r.err)
		}
		switch {
		case r.err != nil || !quorum:
		case reached:
			more = true
		default:
			reached = true
			c.publish(ctx, cand)
		}
	}
	if more {
		c.publish(ctx, cand)
	}
}

// record keeps what a member answered. It reports whether this is a new alarm,
// and whether the candidate has a quorum.
func (c *Cosigners) record(cand *candidate, m *member, sig Cosignature, err error) (alarm, quorum bool) {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	s := &m.status
	s.Asked = now
	m.ahead = 0
	if err == nil {
		cand.lines[m] = sig
		s.Size, s.Time = cand.tree.N, sig.Time
		s.Failures, s.Error, s.Alarm, s.Next = 0, "", "", time.Time{}
		return false, len(cand.lines) >= c.conf.Quorum
	}
	ahead, isAhead := errors.AsType[*AheadError](err)
	if isAhead {
		m.ahead = ahead.Size
		if ahead.Size <= c.offered.tree.N { // no contradiction: that was offered meanwhile, and is shown next
			s.Next = now.Add(c.conf.Interval)
			return false, false
		}
	}
	s.Failures++
	s.Error = err.Error()
	s.Next = now.Add(c.pause(s.Failures))
	if _, isFork := errors.AsType[*ForkError](err); isFork || isAhead {
		alarm = s.Alarm == ""
		s.Alarm = s.Error
	}
	return alarm, false
}

// pause returns how long a member is left alone after so many failures.
func (c *Cosigners) pause(failures int) time.Duration {
	p, most := c.conf.Interval, max(maxPause, c.conf.Interval)
	for range failures - 1 {
		if p *= 2; p >= most {
			return most
		}
	}
	return p
}

func (c *Cosigners) publish(ctx context.Context, cand *candidate) {
	c.mu.Lock()
	done := c.cosigned(cand)
	c.latest = done
	c.mu.Unlock()
	if c.conf.Publish != nil {
		c.conf.Publish(ctx, *done)
	}
}
