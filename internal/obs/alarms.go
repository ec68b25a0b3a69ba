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

// remember keeps an alarm. It takes the place of one of the same kind about the
// same file and origin, but that different forks are told apart. No number of others pushes a fork out.
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
		return old.Kind == n.Kind && old.File == n.File && old.Origin == n.Origin && (n.Kind != "fork" || old.Error == n.Error)
	}); i >= 0 {
		n.Count += o.alarmed[i].Count
		o.alarmed = slices.Delete(o.alarmed, i, i+1)
	}
	o.alarmed = slices.Insert(o.alarmed, 0, n)
	if len(o.alarmed) <= maxAlarmed {
		return
	}
	for last := len(o.alarmed) - 1; last > 0; last-- {
		if o.alarmed[last].Kind != "fork" || last == 1 {
			o.alarmed = slices.Delete(o.alarmed, last, last+1)
			return
		}
	}
}

// Alarms returns the last alarms of this process, newest first.
func (o *Observer) Alarms() []Alarmed {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]Alarmed{}, o.alarmed...)
}
