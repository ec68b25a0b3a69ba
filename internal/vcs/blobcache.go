package vcs

import (
	"bytes"
	"container/list"
	"context"
	"crypto/sha256"
	"fmt"
	"github.com/klauspost/compress/flate"
	"hash/crc32"
	"io"
	"sync"
)

// maxBlobCache bounds the compressed files that are kept in memory, in bytes.
const maxBlobCache = 64 << 20

// packLevel is that of archive/zip.
const packLevel = 5

// largeBlob is the size above which a file is compressed into the zip straight, and not kept, in bytes.
const largeBlob = 4 << 20

// A blobKey names a file's content: an object of a repository. That of another
// repository is another, whatever its hash.
type blobKey struct {
	remote *remote
	id     string
}

// A packedBlob is a file's content as it stands in a zip. It is not changed.
type packedBlob struct {
	data  []byte // deflated
	size  int64  // before that
	crc32 uint32
	sum   [sha256.Size]byte // of what it is when unpacked
}

// A blobCache keeps compressed files. Most files of one version are those of the
// last: to compress them is nearly all the work of making a zip.
type blobCache struct {
	max int64

	mu    sync.Mutex // guards the fields below
	size  int64
	order *list.List // of *blobItem, that used last in front
	items map[blobKey]*list.Element
	taken map[blobKey]chan struct{} // being compressed; closed when that is done
}

type blobItem struct {
	key  blobKey
	blob *packedBlob
}

func newBlobCache(size int64) *blobCache {
	return &blobCache{max: size, order: list.New(), items: make(map[blobKey]*list.Element), taken: make(map[blobKey]chan struct{})}
}

// take returns a file, compressed by pack unless it is there, or somebody is just
// compressing it.
func (c *blobCache) take(ctx context.Context, key blobKey, pack func() (*packedBlob, error)) (*packedBlob, error) {
	for {
		if b := c.get(key); b != nil {
			return b, nil
		}
		c.mu.Lock()
		done, busy := c.taken[key]
		if !busy {
			c.taken[key] = make(chan struct{})
		}
		c.mu.Unlock()
		if !busy {
			break
		}
		select {
		case <-done:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	b, err := pack()
	if err == nil {
		c.put(key, b)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.taken[key])
	delete(c.taken, key)
	return b, err
}

// tryTake is take, but leaves to others what they are compressing.
func (c *blobCache) tryTake(ctx context.Context, key blobKey, pack func() (*packedBlob, error)) error {
	c.mu.Lock()
	_, busy := c.taken[key]
	c.mu.Unlock()
	if busy {
		return nil
	}
	_, err := c.take(ctx, key, pack)
	return err
}

func (c *blobCache) get(key blobKey) *packedBlob {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.items[key]
	if !ok {
		return nil
	}
	c.order.MoveToFront(e)
	return e.Value.(*blobItem).blob
}

func (c *blobCache) put(key blobKey, b *packedBlob) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.items[key]; ok {
		return
	}
	c.items[key] = c.order.PushFront(&blobItem{key, b})
	c.size += b.cost()
	for c.size > c.max {
		last := c.order.Back()
		item := last.Value.(*blobItem)
		c.order.Remove(last)
		delete(c.items, item.key)
		c.size -= item.blob.cost()
	}
}

// cost is what a file takes in memory, about.
func (b *packedBlob) cost() int64 { return int64(cap(b.data)) + 300 }

// A packer compresses files, one after the other.
type packer struct {
	w   *flate.Writer
	buf bytes.Buffer
}

// pack compresses the content that copy writes, of the given size. The library
// takes half the time of compress/flate; what it makes is as small.
func (p *packer) pack(size int64, copy func(io.Writer) error) (*packedBlob, error) {
	p.buf.Reset()
	if p.w == nil {
		w, err := flate.NewWriter(&p.buf, packLevel)
		if err != nil {
			return nil, err
		}
		p.w = w
	} else {
		p.w.Reset(&p.buf)
	}
	crc, sum, n := crc32.NewIEEE(), sha256.New(), &counter{}
	if err := copy(io.MultiWriter(p.w, crc, sum, n)); err != nil {
		return nil, err
	}
	if err := p.w.Close(); err != nil {
		return nil, err
	}
	if n.n != size {
		return nil, fmt.Errorf("a file of %d bytes has %d", size, n.n)
	}
	return &packedBlob{data: bytes.Clone(p.buf.Bytes()), size: size, crc32: crc.Sum32(), sum: [sha256.Size]byte(sum.Sum(nil))}, nil
}

type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}
