package gauge

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/godown-dev/godown/internal/toolbox/lang"
)

// The forms of --json; docs/bench.md documents each field.
type reportJSON struct {
	Started        time.Time    `json:"started"`
	Took           float64      `json:"took_ms"`
	Light          bool         `json:"light"`
	Interrupted    bool         `json:"interrupted"`
	Modules        []Module     `json:"modules"`
	Build          Build        `json:"build"`
	SumDB          sumdbJSON    `json:"sumdb"`
	Mirrors        []mirrorJSON `json:"mirrors"`
	Recommendation adviceJSON   `json:"recommendation"`
}

type sumdbJSON struct {
	Name     string `json:"name"`
	Off      bool   `json:"off"`
	Through  string `json:"through"`
	Straight Answer `json:"straight"`
	Failure  string `json:"failure"`
	Instead  string `json:"instead"`
	Requests int    `json:"requests"`
}

type adviceJSON struct {
	Mirror  string `json:"mirror"`
	Text    string `json:"text"`
	GOPROXY string `json:"goproxy"`
	GOSUMDB string `json:"gosumdb"`
	Refused string `json:"refused"`
}

type mirrorJSON struct {
	Rank         int       `json:"rank"`
	Mirror       string    `json:"mirror"`
	Groups       []string  `json:"groups"`
	Verdict      Verdict   `json:"verdict"`
	Usable       bool      `json:"usable"`
	Why          string    `json:"why"`
	Estimate     float64   `json:"estimate_ms"`
	NoRate       bool      `json:"estimate_without_bytes"`
	DNS          float64   `json:"dns_ms"`
	Connect      float64   `json:"connect_ms"`
	TLS          float64   `json:"tls_ms"`
	FirstByte    float64   `json:"small_ms"`
	ZipFirst     float64   `json:"zip_first_byte_ms"`
	One          float64   `json:"bytes_per_second"`
	Several      float64   `json:"bytes_per_second_several"`
	Lanes        int       `json:"several"`
	Requests     int       `json:"requests"`
	Failures     int       `json:"failures"`
	SuccessShare float64   `json:"success"`
	Bytes        int64     `json:"bytes"`
	Took         float64   `json:"took_ms"`
	Capped       bool      `json:"capped"`
	Protocol     string    `json:"protocol"`
	HTTP2        bool      `json:"http2"`
	Remote       string    `json:"remote"`
	Via          string    `json:"via"`
	Issuer       string    `json:"issuer"`
	SumDB        Answer    `json:"sumdb"`
	Range        Answer    `json:"range"`
	Latest       Answer    `json:"latest"`
	Absent       Answer    `json:"absent"`
	Stranded     bool      `json:"stranded"`
	Redirects    []string  `json:"redirects"`
	Proof        Proof     `json:"bytes_proof"`
	Fresh        freshJSON `json:"freshness"`

	Files []fileJSON `json:"files"`
}

type freshJSON struct {
	Lists    int     `json:"lists"`
	Behind   int     `json:"behind"`
	Lag      float64 `json:"lag_ms"`
	Alone    bool    `json:"alone"`
	Module   string  `json:"module"`
	Version  string  `json:"version"`
	Released string  `json:"released"`
	Has      Answer  `json:"has"`
}

type fileJSON struct {
	Name      string  `json:"name"`
	Module    string  `json:"module"`
	Size      string  `json:"size"`
	Cold      bool    `json:"cold"`
	Status    int     `json:"status"`
	FirstByte float64 `json:"first_byte_ms"`
	Total     float64 `json:"total_ms"`
	Bytes     int64   `json:"bytes"`
	Failed    bool    `json:"failed"`
	Partial   bool    `json:"partial"`
	Failure   string  `json:"failure"`
	Phase     string  `json:"phase"`
	Proof     Proof   `json:"proof"`
	Hash      string  `json:"hash"`
	Want      string  `json:"want"`
	Detail    string  `json:"detail"`
}

// WriteJSON writes the report as one JSON object, with its texts in a language.
// Oneline writes it as one line, for one report after another.
func (r *Report) WriteJSON(w io.Writer, a Advice, l lang.Language, oneline bool) error {
	out := reportJSON{
		Started: r.Started.UTC().Truncate(time.Millisecond), Took: ms(r.Took), Light: r.Light, Interrupted: r.Interrupted, Modules: r.Modules, Build: r.Build,
		SumDB:          sumdbJSON{Name: r.SumDB.Name, Off: r.SumDB.Off, Through: r.SumDB.Through, Straight: r.SumDB.Straight, Instead: r.SumDB.Instead, Requests: r.SumDB.Requests},
		Mirrors:        []mirrorJSON{},
		Recommendation: adviceJSON{Text: a.Text.In(l), GOPROXY: a.Shown, GOSUMDB: a.GOSUM, Refused: a.Refuse.In(l)},
	}
	if r.SumDB.Failure != nil {
		out.SumDB.Failure = string(r.SumDB.Failure.Kind)
	}
	if a.Best != nil {
		out.Recommendation.Mirror = a.Best.Mirror
	}
	for _, one := range r.Results {
		out.Mirrors = append(out.Mirrors, one.json(l))
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	if !oneline {
		e.SetIndent("", "  ")
	}
	return e.Encode(out)
}

func (r *Result) json(l lang.Language) mirrorJSON {
	m := mirrorJSON{
		Rank: r.Rank, Mirror: r.Mirror, Groups: r.Groups, Verdict: r.Verdict, Usable: r.Usable(), Why: r.Why.In(l),
		Estimate: ms(r.Estimate), NoRate: r.NoRate, DNS: ms(r.DNS), Connect: ms(r.Connect), TLS: ms(r.TLS), FirstByte: ms(r.FirstByte), ZipFirst: ms(r.ZipFirst),
		One: math.Round(r.One), Several: math.Round(r.Several), Lanes: r.Lanes, Requests: r.Requests, Failures: r.Failures,
		SuccessShare: math.Round(r.Success()*1000) / 1000, Bytes: r.Bytes, Took: ms(r.Took), Capped: r.Capped,
		Protocol: r.Proto, HTTP2: r.Proto == "HTTP/2.0", Remote: r.Remote, Via: r.Via, Issuer: r.Issuer,
		SumDB: r.SumDB, Range: r.Range, Latest: r.Latest, Absent: r.Absent, Stranded: r.Stranded, Redirects: append([]string{}, r.Redirects...), Proof: r.Proof,
		Fresh: freshJSON{r.Fresh.Lists, r.Fresh.Behind, ms(r.Fresh.Lag), r.Fresh.Alone, r.Fresh.Module, r.Fresh.Version, when(r.Fresh.Released), r.Fresh.Has},
		Files: []fileJSON{},
	}
	for _, f := range r.Files {
		j := fileJSON{
			Name: f.Name, Module: f.Module, Size: f.Size, Cold: f.Cold, Status: f.Status, FirstByte: ms(f.FirstByte), Total: ms(f.Total),
			Bytes: f.Bytes, Failed: f.Failed, Partial: f.Partial, Proof: f.Proof, Hash: f.Hash, Want: f.Want, Detail: f.Detail,
		}
		if f.Failure != nil {
			j.Failure, j.Phase = string(f.Failure.Kind), string(f.Failure.Phase)
		}
		m.Files = append(m.Files, j)
	}
	return m
}

// when returns a time for JSON; "" if there is none.
func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// ms returns milliseconds, to the hundredth.
func ms(d time.Duration) float64 { return math.Round(d.Seconds()*1e5) / 100 }

// CSVHeader returns the names of the columns that WriteCSV writes. They are fields of --json.
func CSVHeader() []string {
	return []string{"started", "rank", "mirror", "verdict", "estimate_ms", "dns_ms", "connect_ms", "tls_ms", "small_ms", "zip_first_byte_ms",
		"bytes_per_second", "bytes_per_second_several", "requests", "failures", "bytes", "protocol", "sumdb", "range", "latest", "bytes_proof", "behind", "lag_ms"}
}

// WriteCSV writes a line for each mirror, and before them one of the columns' names if header is set.
func (r *Report) WriteCSV(w io.Writer, header bool) error {
	out := csv.NewWriter(w)
	if header {
		_ = out.Write(CSVHeader()) // Error tells
	}
	number := func(f float64) string {
		if f == 0 {
			return ""
		}
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	for _, one := range r.Results {
		m := one.json(lang.English)
		_ = out.Write([]string{
			r.Started.UTC().Format(time.RFC3339), fmt.Sprint(m.Rank), cell(m.Mirror), string(m.Verdict), number(m.Estimate), number(m.DNS), number(m.Connect), number(m.TLS),
			number(m.FirstByte), number(m.ZipFirst), number(m.One), number(m.Several), fmt.Sprint(m.Requests), fmt.Sprint(m.Failures), fmt.Sprint(m.Bytes),
			m.Protocol, string(m.SumDB), string(m.Range), string(m.Latest), string(m.Proof), fmt.Sprint(m.Fresh.Behind), number(m.Fresh.Lag),
		})
	}
	out.Flush()
	return out.Error()
}

// cell keeps a spreadsheet from taking a text for a formula.
func cell(s string) string {
	if s != "" && strings.ContainsAny(s[:1], "=+-@") {
		return "'" + s
	}
	return s
}
