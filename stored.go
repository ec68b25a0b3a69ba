package godown

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"
)

// A zipState is what is known of a zip in the store that was looked at in this
// process's life.
type zipState struct {
	size    int64
	etag    string
	headers *headers
	until   time.Time // when it is to be looked at again; zero: never
}

func (c *Cache) keepZip(req Request, size int64, etag string, until time.Time) {
	z := zipState{size, etag, newHeaders(req, &File{Size: size, ETag: etag}), until}
	c.zips.put(req, z, int64(len(req.Path)+len(req.Version)+300))
}

// openKnownZip opens a zip that was looked at before. If it has another size
// now it is forgotten.
func (c *Cache) openKnownZip(ctx context.Context, req Request) (*File, error) {
	if req.Kind != Zip {
		return nil, fs.ErrNotExist
	}
	z, ok := c.zips.get(req)
	if !ok || !z.until.IsZero() && time.Now().After(z.until) {
		return nil, fs.ErrNotExist
	}
	f, err := c.Store.Open(ctx, req.Name())
	if err != nil {
		c.zips.delete(req)
		return nil, err
	}
	if f.Size != z.size {
		f.Close()
		c.zips.delete(req)
		return nil, fs.ErrNotExist
	}
	f.Cache, f.ETag, f.headers = Hit, z.etag, z.headers
	return f, nil
}

// stored opens a fixed file of the store. What it finds bad it sets aside, and
// says that it does not exist. Without ask it takes the word of what is at
// hand, and asks no database.
func (c *Cache) stored(ctx context.Context, req Request, ask bool) (*File, error) {
	name := req.Name()
	f, err := c.Store.Open(ctx, name)
	if err != nil {
		if ctx.Err() == nil && !errors.Is(err, fs.ErrNotExist) {
			// The disk is ill. Upstream may have the file.
			c.storeFailed(req, err)
			err = &NotFound{Text: "the store cannot be read: " + err.Error()}
		}
		return nil, err
	}
	if req.Kind == Zip {
		return c.storedZip(ctx, req, f, ask)
	}
	data, err := readLimited(f, limits[req.Kind])
	f.Close()
	if err != nil {
		c.storeFailed(req, err)
		return nil, &NotFound{Text: "the store cannot be read: " + err.Error()}
	}
	h1, err := checkSmall(req, data)
	if err != nil {
		return nil, c.rotten(ctx, req, err)
	}
	if req.Kind == Info && ask && c.adopted(ctx, req) {
		return nil, &NotFound{Text: "the stored .info is not upstream's own"}
	}
	kept := &File{Data: data, Size: int64(len(data)), ETag: etag(data), Time: f.Time, Cache: Hit}
	proven := true
	if req.Kind == Mod {
		if proven, err = c.admit(ctx, req, h1, ask); err != nil {
			return nil, err
		}
	}
	c.keep(req, kept, c.keptUntil(!proven))
	return kept, nil
}

// keptUntil returns until when a fixed file stays in memory without another
// look: what is not proven is looked at again soon.
func (c *Cache) keptUntil(unproven bool) time.Time {
	if unproven {
		return time.Now().Add(time.Minute)
	}
	return time.Time{}
}

// storedZip looks at a zip for the first time in this process's life. A zip
// with a hash beside it is hashed again soon, but not now.
func (c *Cache) storedZip(ctx context.Context, req Request, f *File, ask bool) (*File, error) {
	r, ok := f.Body.(io.ReaderAt)
	if !ok {
		f.Close()
		return nil, fmt.Errorf("store: the Body of %s is no io.ReaderAt", req.Name())
	}
	end, err := readZipEnd(r, f.Size)
	if err != nil {
		f.Close()
		return nil, c.rotten(ctx, req, err)
	}
	h1, err := zipHash(ctx, c.Store, req)
	recorded := err == nil
	if !recorded {
		if h1, err = CheckZip(ctx, req, r, f.Size); err != nil {
			f.Close()
			if _, bad := errors.AsType[*Mismatch](err); bad {
				return nil, c.rotten(ctx, req, err)
			}
			c.storeFailed(req, err)
			return nil, &NotFound{Text: "the store cannot be read: " + err.Error()}
		}
	}
	proven := true
	if recorded && ask {
		// The go command, or we, wrote this hash when the zip was verified. If
		// the database's record is at hand, compare; asking can wait.
		if known := c.Verifier.Recall(ctx, req); known != "" && known != h1 {
			err = &Mismatch{Request: req, Reason: "its recorded hash is " + h1 + ", the database has " + known}
			f.Close()
			return nil, c.rotten(ctx, req, err)
		}
	} else if proven, err = c.admit(ctx, req, h1, ask); err != nil {
		f.Close()
		return nil, err
	}
	if !recorded && proven {
		if err := putString(ctx, c.Store, req.Name()+"hash", h1); err != nil {
			c.storeFailed(req, err)
		}
	}
	if m, ok := c.Store.(mender); ok && ask {
		if err := m.Mend(ctx, req.Name()); err != nil {
			c.storeFailed(req, err)
		}
	}
	f.ETag, f.Cache = end.etag, Hit
	c.keepZip(req, f.Size, end.etag, c.keptUntil(!proven))
	if recorded {
		c.recheckLater(req)
	}
	return f, nil
}

// admit says whether a stored file whose hash is h1 may be served, and whether
// it is proven. Files that an operator has put there were never verified by
// us: they are now, if the database can be reached.
func (c *Cache) admit(ctx context.Context, req Request, h1 string, ask bool) (proven bool, err error) {
	known := c.Verifier.Recall(ctx, req)
	if known == h1 {
		return true, nil
	}
	if known != "" {
		return false, c.rotten(ctx, req, &Mismatch{Request: req, Reason: "its hash is " + h1 + ", it should be " + known})
	}
	err = &Unverified{Request: req, By: "the checksum database", Err: errors.New("it was not asked")}
	if ask && time.Now().UnixNano() >= c.databaseDown.Load() {
		askCtx, cancel := context.WithTimeout(ctx, 10*time.Second)
		err = c.Verifier.Verify(askCtx, req, h1)
		cancel()
	}
	if err == nil {
		c.unmark(ctx, req.Name())
		return true, nil
	}
	if _, bad := errors.AsType[*Mismatch](err); bad {
		return false, c.rotten(ctx, req, err)
	}
	u, ok := errors.AsType[*Unverified](err)
	if !ok {
		return false, err
	}
	if ask && !u.Absent {
		c.databaseDown.Store(time.Now().Add(10 * time.Second).UnixNano())
	}
	// An operator's file is his word; what --verify prefer took in is nobody's.
	if !c.Prefer && c.marked(ctx, req.Name()) {
		return false, err
	}
	return false, nil
}

// rotten sets a bad file aside, so that it is fetched anew, and returns an
// error that says so.
func (c *Cache) rotten(ctx context.Context, req Request, why error) error {
	c.counts.rotten.Add(1)
	c.Alarm(Alarm{Kind: "rot", Request: req, Err: why})
	c.files.delete(req)
	c.zips.delete(req)
	names := []string{req.Name()}
	if req.Kind == Zip {
		names = append(names, req.Name()+"hash")
	}
	for _, name := range names {
		var err error
		if a, ok := c.Store.(asider); ok {
			err = a.SetAside(ctx, name)
		} else {
			err = c.Store.Delete(ctx, name)
		}
		if err != nil {
			c.storeFailed(req, err)
		}
	}
	return &NotFound{Text: "the stored file is bad: " + why.Error()}
}

// maxRecheck bounds the memory of what waits to be hashed again.
const maxRecheck = 10_000

// recheckLater has a zip hashed again in the background.
func (c *Cache) recheckLater(req Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || len(c.recheck) >= maxRecheck {
		return // it will be when it is next used for the first time
	}
	c.recheck = append(c.recheck, req)
	if !c.busy {
		c.busy = true
		c.working.Go(c.recheckAll)
	}
}

// recheckAll hashes zips, one after the other, until none is left.
func (c *Cache) recheckAll() {
	for {
		c.mu.Lock()
		if len(c.recheck) == 0 {
			c.busy = false
			c.mu.Unlock()
			return
		}
		req := c.recheck[0]
		c.recheck = c.recheck[1:]
		c.mu.Unlock()
		start := time.Now()
		c.recheckOne(c.idle, req)
		// Nobody waits for this: it takes a tenth of a core at most.
		rest := time.NewTimer(min(9*time.Since(start), 30*time.Second))
		select {
		case <-rest.C:
		case <-c.idle.Done():
		}
		rest.Stop()
	}
}

// recheckOne hashes a zip again and compares. A bad one is set aside and fetched anew.
func (c *Cache) recheckOne(ctx context.Context, req Request) {
	f, err := c.Store.Open(ctx, req.Name())
	if err != nil {
		return
	}
	defer f.Close()
	r, ok := f.Body.(io.ReaderAt)
	if !ok {
		return
	}
	select {
	case c.checks <- struct{}{}:
	case <-ctx.Done():
		return
	}
	h1, err := CheckZip(ctx, req, r, f.Size)
	<-c.checks
	if ctx.Err() != nil {
		return
	}
	if err == nil {
		recorded, readErr := zipHash(ctx, c.Store, req)
		if readErr != nil {
			return
		}
		if recorded != h1 {
			err = &Mismatch{Request: req, Reason: "its hash is " + h1 + ", it was " + recorded + " when it was stored"}
		} else {
			err = c.Verifier.Verify(ctx, req, h1)
		}
		if _, bad := errors.AsType[*Mismatch](err); bad && c.Verifier.Recall(ctx, req) == h1 {
			return // the record that it is held to says that it is right, whoever else has another
		}
	}
	if _, bad := errors.AsType[*Mismatch](err); bad {
		_ = c.rotten(ctx, req, err) // said by its alarm
		c.join(req, nil, false).leave()
	} else if err != nil {
		if _, ok := errors.AsType[*Unverified](err); !ok {
			c.storeFailed(req, err)
		}
	}
}
