package main

// The candidates: who downloads.
const (
	straight = "straight" // the go command from the mirror; what the others are compared with
	asRun    = "run"      // below godown run
	asServe  = "serve"    // from a godown serve on loopback that has nothing yet, and is told nothing
	asOwn    = "own"      // the same, with a checksum database of its own, which the client goes by
	atHand   = "at-hand"  // from a folder that has everything, or without go.sum from the mirror as if it were here: nobody can be faster
)

func allCandidates() []string { return []string{straight, asRun, asServe, asOwn, atHand} }

// A row is something to download over a line.
type row struct {
	name     string
	set      string
	what     string
	get      bool               // without go.sum, by go get and go mod tidy; else go mod download
	near     bool               // over loopback as it is; else over the line of the flags
	time     map[string]float64 // targets: of straight's time at most, by candidate
	extra    map[string]float64 // bytes beyond straight's at most, %
	memory   float64            // peak of godown below, MB; 0: none
	byItself bool               // measured only when its name is given
}

func rows() []row {
	beyond := map[string]float64{asRun: 2, asServe: 5}
	return []row{
		{name: "small", set: "small", what: "go mod download, full go.sum", time: map[string]float64{asRun: 0.25}, extra: beyond},
		{name: "app", set: "app", what: "go mod download, full go.sum", time: map[string]float64{asRun: 0.12, asServe: 0.17}, extra: beyond},
		{name: "large", set: "large", what: "go mod download, full go.sum", time: map[string]float64{asRun: 0.10}, extra: beyond, memory: 100, byItself: true},
		{name: "get", set: "get", what: "go get and go mod tidy, no go.sum", get: true, time: map[string]float64{asServe: 0.25}},
		{name: "near", set: "small", what: "go mod download, full go.sum, no delay and no limit", near: true, time: map[string]float64{asRun: 1.05}},
	}
}

// conditions returns those of a row.
func (b *bench) conditions(r row) conditions {
	if r.near {
		return conditions{}
	}
	return conditions{latency: b.latency, rate: b.rate}
}

// commands returns what is run in the main module, in turn.
func (r row) commands() [][]string {
	if r.get {
		return [][]string{{"go", "get", ginVersion}, {"go", "mod", "tidy"}}
	}
	return [][]string{{"go", "mod", "download"}}
}

// files returns the main module before a run.
func (r row) files(s *set) map[string][]byte {
	if r.get {
		return ginModule(r.set)
	}
	return map[string][]byte{"go.mod": s.goMod, "go.sum": s.goSum}
}
