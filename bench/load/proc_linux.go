package main

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// What processes use is read from /proc, which only Linux has: elsewhere
// (proc_other.go) only figures by the clock are shown.

// tick is the unit of times in /proc: USER_HZ is 100 everywhere.
const tick = 10 * time.Millisecond

// ticks returns the sum of some fields of numbers.
func ticks(fields []string) (time.Duration, error) {
	var sum time.Duration
	for _, f := range fields {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, err
		}
		sum += time.Duration(n) * tick
	}
	return sum, nil
}

// stat returns the fields of a process's stat file from the third on: the
// second, a name in parentheses, may hold anything.
func stat(pid int) ([]string, error) {
	name := fmt.Sprintf("/proc/%d/stat", pid)
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(fields) < 20 {
		return nil, fmt.Errorf("%s has %d fields", name, len(fields)+2)
	}
	return fields, nil
}

// cpuTime returns the CPU time that processes have used, user and system, in
// steps of 10 ms.
func cpuTime(pids []int) (time.Duration, error) {
	var total time.Duration
	for _, pid := range pids {
		fields, err := stat(pid)
		if err != nil {
			return 0, err
		}
		t, err := ticks(fields[11:13]) // utime, stime
		if err != nil {
			return 0, err
		}
		total += t
	}
	if len(pids) == 0 {
		return 0, errNoProcess
	}
	return total, nil
}

// peakMemory returns the most memory that processes have had resident, in bytes.
func peakMemory(pids []int) (int64, error) {
	var total int64
	for _, pid := range pids {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			return 0, err
		}
		_, rest, _ := strings.Cut(string(data), "\nVmHWM:")
		text, _, _ := strings.Cut(rest, "kB")
		kib, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
		if err != nil {
			return 0, err
		}
		total += kib << 10
	}
	if len(pids) == 0 {
		return 0, errNoProcess
	}
	return total, nil
}

// listeners returns the processes that listen on a port of this machine: a
// master and its workers share the socket.
func listeners(address string) []int {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil
	}
	suffix := ":" + strings.ToUpper(hex.EncodeToString([]byte{byte(n >> 8), byte(n)}))
	sockets := make(map[string]bool)
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		data, _ := os.ReadFile(table)
		for line := range strings.Lines(string(data)) {
			f := strings.Fields(line)
			if len(f) > 9 && f[3] == "0A" && strings.HasSuffix(f[1], suffix) { // LISTEN
				sockets["socket:["+f[9]+"]"] = true
			}
		}
	}
	var pids []int
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, link := range links {
		to, err := os.Readlink(link)
		if err != nil || !sockets[to] {
			continue
		}
		pid, err := strconv.Atoi(strings.Split(link, "/")[2])
		if err == nil && (len(pids) == 0 || pids[len(pids)-1] != pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// usage returns how long the cores of this machine have been busy, and how
// much of it was for this process and the children that have ended.
func usage() (busy, ours time.Duration, err error) {
	data, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0, err
	}
	line, _, _ := strings.Cut(string(data), "\n")
	fields := strings.Fields(line)
	if len(fields) < 8 {
		return 0, 0, fmt.Errorf("/proc/stat begins with %q", line)
	}
	// user, nice, system; irq, softirq. Between them are idle and iowait.
	if busy, err = ticks(append(fields[1:4:4], fields[6:8]...)); err != nil {
		return 0, 0, err
	}
	if fields, err = stat(os.Getpid()); err != nil {
		return 0, 0, err
	}
	ours, err = ticks(fields[11:15]) // utime, stime, and those of children
	return busy, ours, err
}
