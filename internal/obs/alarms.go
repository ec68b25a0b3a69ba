package obs

import (
	"slices"
	"time"

	"github.com/godown-dev/godown"
)

// An Alarmed is an alarm as it is shown to operators later on.
type Alarmed struct {
	Time   time.Time `json:"time"` // of the last one, of several alike
	Count  int       `json:"count"`
	Kind   string    `json:"kind"`
	File   string    `json:"file,omitempty"`
	Origin string    `json:"origin,omitempty"`
	Error  string    `json:"error,omitempty"`
}

// maxAlarmed is how many alarms are remembered.
const maxAlarmed = 50

// remember keeps an alarm. One that is like a remembered one takes its place.
func (o *Observer) remember(a godown.Alarm) {
	n := Alarmed{Time: time.Now().UTC(), Count: 1, Kind: a.Kind, Origin: a.Origin}
	if a.Request.Kind != 0 {
		n.File = a.Request.String()
	}
	if a.Err != nil {
		n.Error = a.Err.Error()
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if i := slices.IndexFunc(o.alarmed, func(old Alarmed) bool {
		return old.Kind == n.Kind && old.File == n.File && old.Origin == n.Origin && old.Error == n.Error
	}); i >= 0 {
		n.Count += o.alarmed[i].Count
		o.alarmed = slices.Delete(o.alarmed, i, i+1)
	}
	o.alarmed = slices.Insert(o.alarmed[:min(len(o.alarmed), maxAlarmed-1)], 0, n)
}

// Alarms returns the last alarms of this process, newest first.
func (o *Observer) Alarms() []Alarmed {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]Alarmed{}, o.alarmed...)
}
