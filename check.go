package godown

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"
)

// A Verdict is what a check says of a stored file.
type Verdict string

// The verdicts of a check.
const (
	Good       Verdict = "good"       // a record proves it; of a .info, which nothing proves, the form is right
	Unproven   Verdict = "unproven"   // nothing is wrong with it, but there is no record of it, or none could be had
	Bad        Verdict = "bad"        // it is not what it should be
	Unreadable Verdict = "unreadable" // the store does not give it: nobody knows whether it is bad
	Gone       Verdict = "gone"       // it is not in the store
)

// A Finding is what a check found of a stored file.
type Finding struct {
	Request Request
	Verdict Verdict // empty if the context ended first
	Size    int64   // in bytes
	H1      string  // its hash as go.sum has it; empty for a .info, and for what has none because it is broken
	Known   string  // the hash that the record at hand says it should have; empty if there is no record
	Err     error   // why the Verdict is not Good

	// Beside says that the zip itself is proven, and what is bad is the hash that is kept beside it.
	Beside bool

	Repaired  bool  // it was bad, and is good now, or at least as good as unproven
	RepairErr error // why it is not repaired, although that was wanted

	put time.Time // when the store took the file that was checked
}

// Checking says how a file is checked.
type Checking struct {
	Ask    bool // what there is no record of at hand is asked of the [Verifier]
	Repair bool // what is bad is set aside, and fetched anew

	pace *pace // nil: as fast as it goes
}

const (
	checkAsk     = 10 * time.Second // how long a check waits for a database
	checkBackoff = 10 * time.Second // how long none is asked after one could not be reached
)

// Check reads a stored .info, .mod or .zip as a whole, and says whether it is
// what it should be: in form, by the hash beside it, and by what is known of it.
// Nothing is taken for true because it is in the store. Those who are served
// notice nothing of it, but for what is bad: with how.Repair that is set aside
// and not served any more, whether or not another can be had in its place.
func (c *Cache) Check(ctx context.Context, req Request, how Checking) Finding {
	c.once.Do(c.init)
	found := c.lookTwice(ctx, c.Store, req, how)
	switch found.Verdict {
	case Good:
		c.unmark(ctx, req.Name())
	case Bad:
		if how.Repair {
			c.repair(ctx, &found, how)
		}
	}
	return found
}

// CheckIn is Check for a store of other files than this cache's own, such as
// versions that were published, of which it may hold the only copy: nothing in
// it is changed.
func (c *Cache) CheckIn(ctx context.Context, store Store, req Request, how Checking) Finding {
	c.once.Do(c.init)
	return c.lookTwice(ctx, store, req, how)
}

// lookTwice looks again at what is bad: what was being replaced at that moment,
// or was read wrongly for once, is good then.
func (c *Cache) lookTwice(ctx context.Context, store Store, req Request, how Checking) Finding {
	found := c.look(ctx, store, req, how)
	if found.Verdict == Bad {
		found = c.look(ctx, store, req, how)
	}
	if found.Verdict == Unreadable {
		c.storeFailed(req, found.Err)
	}
	return found
}

// look reads a file and compares.
func (c *Cache) look(ctx context.Context, store Store, req Request, how Checking) Finding {
	found := Finding{Request: req}
	f, err := store.Open(ctx, req.Name())
	if err != nil {
		return found.failed(ctx, err)
	}
	defer f.Close()
	found.Size, found.put = f.Size, f.Time
	found.H1, err = c.contentOf(ctx, req, f, how)
	if _, bad := errors.AsType[*Mismatch](err); err != nil && !bad {
		return found.failed(ctx, err)
	}
	if req.Kind == Info {
		found.judge(err)
		c.forgetOther(req, f, found)
		return found
	}
	if err == nil {
		err = c.compare(ctx, req, found.H1, how.Ask)
	}
	found.Known = c.Verifier.Recall(ctx, req)
	if ctx.Err() != nil {
		return found.failed(ctx, err)
	}
	found.judge(err)
	if req.Kind == Zip && found.Verdict != Bad {
		if err := c.besideZip(ctx, store, &found); err != nil {
			return found.failed(ctx, err)
		}
	}
	c.forgetOther(req, f, found)
	return found
}

// contentOf checks a file's form, and returns its hash. An error that is no
// *Mismatch is of reading it.
func (c *Cache) contentOf(ctx context.Context, req Request, f *File, how Checking) (string, error) {
	if limit := limits[req.Kind]; f.Size > limit {
		return "", &Mismatch{Request: req, Reason: fmt.Sprintf("it has %d bytes, more than %d", f.Size, limit)}
	}
	if req.Kind != Zip {
		data, err := readLimited(f, limits[req.Kind])
		if err != nil {
			return "", err
		}
		return checkSmall(req, data)
	}
	r, ok := f.Reader().(io.ReaderAt)
	if !ok {
		return "", fmt.Errorf("store: the Body of %s is no io.ReaderAt", req.Name())
	}
	r = &pacedReader{ctx, r, how.pace}
	if how.pace != nil {
		// It rests while it reads, so it may not hold a place that others wait for.
		return CheckZip(ctx, req, r, f.Size)
	}
	select {
	case c.checks <- struct{}{}:
		defer func() { <-c.checks }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	return CheckZip(ctx, req, r, f.Size)
}

// failed says that a file could not be read, or that the context has ended.
func (f Finding) failed(ctx context.Context, err error) Finding {
	f.Err = err
	switch {
	case ctx.Err() != nil:
		f.Err = ctx.Err()
	case errors.Is(err, fs.ErrNotExist):
		f.Verdict = Gone
	default:
		f.Verdict = Unreadable
	}
	return f
}

// judge sets the verdict on a file that was read.
func (f *Finding) judge(err error) {
	f.Err = err
	_, bad := errors.AsType[*Mismatch](err)
	switch {
	case err == nil:
		f.Verdict = Good
	case bad:
		f.Verdict = Bad
	default:
		f.Verdict = Unproven
	}
}

// besideZip compares a zip that is not bad with the hash beside it. Where
// nothing proves either, one of them is bad, and nobody knows which. What is no
// hash, such as an empty file, is no evidence against the zip.
func (c *Cache) besideZip(ctx context.Context, store Store, found *Finding) error {
	beside, err := zipHash(ctx, store, found.Request)
	_, malformed := errors.AsType[*Mismatch](err)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case malformed && found.Verdict != Good:
		return nil
	case err != nil && !malformed:
		return fmt.Errorf("the hash beside it: %w", err)
	case err == nil && beside == found.H1:
		return nil
	case err == nil:
		err = &Mismatch{Request: found.Request, Reason: fmt.Sprintf("its hash is %s, but the .ziphash beside it has %s", found.H1, beside)}
	}
	found.Beside = found.Verdict == Good
	found.judge(err)
	return nil
}

// forgetOther forgets what memory holds of a file if it is not what the store
// holds now. Where the store's is bad, memory may well have the right one.
func (c *Cache) forgetOther(req Request, f *File, found Finding) {
	if found.Verdict == Bad && !found.Beside {
		c.zips.delete(req)
		return
	}
	if req.Kind != Zip {
		if kept, ok := c.files.get(req); ok && kept.file.Size != f.Size || ok && req.Kind == Mod && HashMod(kept.file.Data) != found.H1 {
			c.files.delete(req)
		}
		return
	}
	if state, ok := c.zips.get(req); ok {
		r, readable := f.Reader().(io.ReaderAt)
		if !readable {
			return
		}
		if end, err := readZipEnd(r, f.Size); err != nil || end.etag != state.etag {
			c.zips.delete(req)
		}
	}
}

// A comparer is a Verifier that can say what it knows without learning anything:
// it takes no hash for true because it is shown it first. Without ask it asks nobody.
type comparer interface {
	Compare(ctx context.Context, req Request, h1 string, ask bool) error
}

// compare says whether h1 is what a file should have, with the errors of a Verifier.
func (c *Cache) compare(ctx context.Context, req Request, h1 string, ask bool) error {
	if until := c.askAgain.Load(); ask && time.Now().UnixNano() < until {
		ask = false
	}
	askCtx, cancel := context.WithTimeout(ctx, checkAsk)
	defer cancel()
	err := Compare(askCtx, c.Verifier, req, h1, ask)
	if u, ok := errors.AsType[*Unverified](err); ok && ask && !u.Absent && ctx.Err() == nil {
		c.askAgain.Store(time.Now().Add(checkBackoff).UnixNano())
	}
	return err
}

// errNotAsked is why something is unproven that nobody was asked about.
var errNotAsked = errors.New("there is no record at hand, and nobody was asked")

// Compare says whether h1 is what a file should have, with the errors of a
// Verifier. A Verifier that can say so without learning anything has a method of the same
// name and arguments but v. Without ask nobody is asked.
func Compare(ctx context.Context, v Verifier, req Request, h1 string, ask bool) error {
	if c, ok := v.(comparer); ok {
		return c.Compare(ctx, req, h1, ask)
	}
	switch known := v.Recall(ctx, req); {
	case known == h1:
		return nil
	case known != "":
		return &Mismatch{Request: req, Reason: fmt.Sprintf("its hash is %s, but the record at hand has %s", h1, known)}
	case ask:
		return v.Verify(ctx, req, h1)
	}
	return &Unverified{Request: req, By: "the record of hashes", Err: errNotAsked}
}

// Compare asks the Verifier that is responsible, which learns nothing by it.
// Without ask, nobody else is asked.
func (t *Trust) Compare(ctx context.Context, req Request, h1 string, ask bool) error {
	return Compare(ctx, t.of(req.Path), req, h1, ask)
}

// Compare compares h1 with the first hash that was seen, and keeps nothing. There is nobody to ask.
func (s *FirstSeen) Compare(ctx context.Context, req Request, h1 string, ask bool) error {
	const by = "the store of first seen hashes"
	lines, err := s.lines(ctx, req)
	if err != nil {
		return &Unverified{Request: req, By: by, Err: err}
	}
	switch known := findSum(lines, sumPrefix(req)); known {
	case h1:
		return nil
	case "":
		return &Unverified{Request: req, By: by, Absent: true, Err: errors.New("no hash of it was seen before")}
	default:
		return &Mismatch{Request: req, Reason: fmt.Sprintf("its hash is %s, but it was %s when it was first seen", h1, known)}
	}
}

// Compare compares h1 with a record that was proven before, and asks the
// database, if it may be asked, only where there is none.
func (s *Sums) Compare(ctx context.Context, req Request, h1 string, ask bool) error {
	by := "checksum database " + s.Spec.Name
	switch known := s.Recall(ctx, req); {
	case known == h1:
		return nil
	case known != "":
		return &Mismatch{Request: req, Reason: fmt.Sprintf("its hash is %s, but %s has %s", h1, by, known)}
	case ask:
		return s.Verify(ctx, req, h1)
	}
	return &Unverified{Request: req, By: by, Err: errNotAsked}
}

// zipHash returns the hash beside a zip. That it is none is a *[Mismatch].
func zipHash(ctx context.Context, store Store, req Request) (string, error) {
	f, err := store.Open(ctx, req.Name()+"hash")
	if err != nil {
		return "", err
	}
	defer f.Close()
	const most = 200 // bytes
	data, err := io.ReadAll(io.LimitReader(f.Reader(), most))
	if err != nil {
		return "", err
	}
	h1 := strings.TrimSpace(string(data))
	if !strings.HasPrefix(h1, "h1:") || len(h1) != 47 {
		return "", &Mismatch{Request: req, Reason: fmt.Sprintf("the .ziphash beside it holds no hash, but begins with %.60q", data)}
	}
	return h1, nil
}

// repair sets a bad file aside and has another take its place.
func (c *Cache) repair(ctx context.Context, found *Finding, how Checking) {
	req := found.Request
	if f, err := c.Store.Open(ctx, req.Name()); err == nil {
		same := f.Size == found.Size && f.Time.Equal(found.put)
		f.Close()
		if !same { // somebody else has replaced it
			if again := c.look(ctx, c.Store, req, how); again.Verdict != Bad {
				*found = again
				return
			}
		}
	}
	if found.Beside {
		found.RepairErr = c.putBeside(ctx, found)
		found.Repaired = found.RepairErr == nil
		return
	}
	kept, inMemory := c.rightInMemory(*found)
	_ = c.rotten(ctx, req, found.Err) // said by its alarm
	var err error
	if inMemory {
		if err = putString(ctx, c.Store, req.Name(), string(kept.file.Data)); err == nil {
			c.files.put(req, kept, int64(cap(kept.file.Data)+len(req.Path)+len(req.Version)+400))
		}
	}
	if !inMemory || err != nil {
		if err = c.mayName(ctx, req); err == nil {
			err = c.fetchAnew(ctx, req)
		}
	}
	again := c.look(ctx, c.Store, req, how)
	switch again.Verdict {
	case Good, Unproven:
		found.Repaired = true
	case Bad:
		found.RepairErr = fmt.Errorf("it could not be set aside, or what took its place is bad, too: %w", again.Err)
	case Gone:
		if err == nil {
			err = errors.New("another was fetched, but the store did not take it")
		}
		found.RepairErr = err
	default:
		found.RepairErr = again.Err
	}
}

// putBeside puts the proven hash of a zip beside it, in place of a wrong one.
func (c *Cache) putBeside(ctx context.Context, found *Finding) error {
	c.counts.rotten.Add(1)
	c.Alarm(Alarm{Kind: "rot", Request: found.Request, Err: found.Err})
	name := found.Request.Name() + "hash"
	if a, ok := c.Store.(asider); ok {
		if err := a.SetAside(ctx, name); err != nil {
			return err
		}
	}
	return putString(ctx, c.Store, name, found.H1)
}

// rightInMemory returns what memory holds of a small file whose stored form is
// bad, if that is right: then nobody need be asked, who may have it no more.
func (c *Cache) rightInMemory(found Finding) (hotFile, bool) {
	kept, ok := c.files.get(found.Request)
	if !ok {
		return kept, false
	}
	h1, err := checkSmall(found.Request, kept.file.Data)
	return kept, err == nil && (found.Request.Kind == Info || h1 == found.Known)
}

// A discreet is a Verifier that knows of files that are not to be named to
// anybody before somebody asks for them: they may have been private, and the
// configuration does not say so now. MayName says why a file is such a one.
type discreet interface {
	MayName(ctx context.Context, req Request) error
}

// mayName says why a file must not be fetched unasked; nil if it may be.
func (c *Cache) mayName(ctx context.Context, req Request) error {
	if d, ok := c.Verifier.(discreet); ok {
		return d.MayName(ctx, req)
	}
	return nil
}

// fetchAnew has a file that is not in the store fetched and stored. Those that
// somebody waits for come first.
func (c *Cache) fetchAnew(ctx context.Context, req Request) error {
	f, err := c.Fetch(Ahead(ctx), req)
	if err == nil {
		if f.Body != nil {
			_, err = io.Copy(io.Discard, f.Body)
		}
		f.Close()
	}
	for err == nil && c.flying(req) { // it was answered, and is being stored
		err = waitFor(ctx, 2*time.Millisecond)
	}
	return err
}

// flying reports whether there is a flight for req.
func (c *Cache) flying(req Request) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.flights[req]
	return ok
}
