package mirror

import "time"

// The states of a mirror, as in [godown.MirrorStatus].
const (
	stateUp   = "up"
	stateDown = "down"
	stateBusy = "busy"
)

// A circuit takes a mirror out when it fails, lets single requests try it after
// a while, and brings it back when these succeed. Its owner guards it.
type circuit struct {
	down  bool
	since time.Time
	fails int           // in a row
	wins  int           // in a row, while it is down
	wait  time.Duration // before the next trial; doubles with each that fails
	until time.Time     // no trial before then
}

// firstWait is how long a mirror that has just been taken out is left alone.
const firstWait = time.Second

// success notes an answer, and returns the state that begins with it, if any.
func (c *circuit) success(now time.Time, o *Options) string {
	c.fails = 0
	if !c.down {
		return ""
	}
	if c.wins++; c.wins < o.Rise {
		c.until = now
		return ""
	}
	*c = circuit{since: now}
	return stateUp
}

// failure notes a failure, and returns the state that begins with it, if any.
func (c *circuit) failure(now time.Time, o *Options) string {
	c.wins = 0
	c.fails++
	if c.down {
		longest := 30 * time.Second
		if o.Every > 0 {
			longest = o.Every
		}
		c.wait = min(2*c.wait, max(longest, c.wait))
		c.until = now.Add(c.wait)
		return ""
	}
	if c.fails < o.Fall {
		return ""
	}
	return c.open(now, firstWait)
}

// open takes the mirror out for a while, and returns the state that begins with it, if any.
func (c *circuit) open(now time.Time, wait time.Duration) string {
	before := c.down
	c.down, c.wins = true, 0
	c.wait = max(c.wait, wait)
	c.until = now.Add(c.wait)
	if before {
		return ""
	}
	c.since = now
	return stateDown
}

// trial reports whether a request may try a mirror that is down; it does so for
// one request at a time.
func (c *circuit) trial(now time.Time) bool {
	if now.Before(c.until) {
		return false
	}
	c.until = now.Add(max(c.wait, firstWait)) // the next, if nothing is heard of this one
	return true
}
