package main

import (
	"testing"
	"time"
)

func TestDuration(t *testing.T) {
	good := []struct {
		text string
		want time.Duration
		back string
	}{
		{"1m", time.Minute, "1m"},
		{"90s", 90 * time.Second, "1m30s"},
		{"1h0m0s", time.Hour, "1h"},
		{"1h5s", time.Hour + 5*time.Second, "1h0m5s"},
		{"0", 0, "0s"},
		{"24h", day, "1d"},
		{"7d", 7 * day, "7d"},
		{"1.5d", 36 * time.Hour, "36h"},
		{"1d12h", 36 * time.Hour, "36h"},
		{"-1d12h", -36 * time.Hour, "-36h"},
		{"250ms", 250 * time.Millisecond, "250ms"},
	}
	for _, tt := range good {
		if got, err := parseDuration(tt.text); err != nil || got != tt.want {
			t.Errorf("parseDuration(%q) = %v, %v; want %v", tt.text, got, err, tt.want)
		}
		if got := formatDuration(tt.want); got != tt.back {
			t.Errorf("formatDuration(%v) = %q, want %q", tt.want, got, tt.back)
		}
	}
	for _, text := range []string{"", "d", "5", "1m2d", "1d2d", "1d-2h", "1d+2h", "dd", "106752d", "106751d24h", "1h2m3", "1 d"} {
		if got, err := parseDuration(text); err == nil {
			t.Errorf("parseDuration(%q) = %v, want an error", text, got)
		}
	}
}

func TestSize(t *testing.T) {
	good := []struct {
		text string
		want Size
		back string
	}{
		{"0", 0, "0"}, {"0MB", 0, "0"}, {"1", 1, "1"}, {"100B", 100, "100"},
		{"64MiB", 64 << 20, "64MiB"}, {"64MB", 64e6, "62500KiB"}, {"64 mb", 64e6, "62500KiB"},
		{"1000", 1000, "1KB"}, {"1GiB", 1 << 30, "1GiB"}, {"1024KiB", 1 << 20, "1MiB"}, {"-1KB", -1000, "-1KB"},
	}
	for _, tt := range good {
		if got, err := parseSize(tt.text); err != nil || got != tt.want {
			t.Errorf("parseSize(%q) = %v, %v; want %v", tt.text, got, err, tt.want)
		}
		if got := formatSize(tt.want); got != tt.back {
			t.Errorf("formatSize(%d) = %q, want %q", tt.want, got, tt.back)
		}
	}
	for _, text := range []string{"", "B", "MB", "64M", "1.5GB", "9223372036854775807KB", "1e3", "64MBB", "x"} {
		if got, err := parseSize(text); err == nil {
			t.Errorf("parseSize(%q) = %v, want an error", text, got)
		}
	}
}

// What is read, written and read again is the same.
func FuzzQuantities(f *testing.F) {
	for _, s := range []string{"7d", "-1d12h", "1.5d", "64MiB", "64 mb", "-9223372036854775808", "106751d23h47m16.854775807s"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if d, err := parseDuration(text); err == nil {
			if again, err := parseDuration(formatDuration(d)); err != nil || again != d {
				t.Errorf("duration %q: %v, written %q, read %v, %v", text, d, formatDuration(d), again, err)
			}
		}
		if s, err := parseSize(text); err == nil {
			if again, err := parseSize(formatSize(s)); err != nil || again != s {
				t.Errorf("size %q: %v, written %q, read %v, %v", text, s, formatSize(s), again, err)
			}
		}
		if p, err := parsePatterns(text); err == nil {
			if again, err := parsePatterns(string(p)); err != nil || again != p {
				t.Errorf("patterns %q: %q, again %q, %v", text, p, again, err)
			}
		}
	})
}
