package token

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/godbus/dbus/v5"
)

// A secretService is a session bus on which there is nothing but a Secret
// Service (https://specifications.freedesktop.org/secret-service), as far as one collection needs it.
type secretService struct {
	t       *testing.T
	mu      sync.Mutex // guards the fields below
	items   map[string]secretItem
	next    int
	serial  uint32
	locked  bool // and nobody is there to unlock it: the prompt is dismissed
	prompts int
}

// A secretItem is as the service keeps it.
type secretItem struct {
	attributes map[string]string
	secret     []byte
}

// secretWire is a secret on the bus: session, parameters, value and content type.
type secretWire struct {
	Session     dbus.ObjectPath
	Parameters  []byte
	Value       []byte
	ContentType string
}

const (
	secretsPath = "/org/freedesktop/secrets"
	loginPath   = secretsPath + "/collection/login"
)

// startSecretService makes the session bus of this process one with a Secret Service.
func startSecretService(t *testing.T) *secretService {
	s := &secretService{t: t, items: make(map[string]secretItem)}
	name := filepath.Join(t.TempDir(), "bus")
	l, err := net.Listen("unix", name)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path="+name)
	var running sync.WaitGroup
	var mu sync.Mutex // guards conns
	var conns []net.Conn
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			running.Go(func() { s.serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range conns {
			c.Close()
		}
		mu.Unlock()
		running.Wait()
	})
	return s
}

// serve lets a client in, whoever it says to be, and answers its calls.
func (s *secretService) serve(c net.Conn) {
	r := bufio.NewReader(c)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		switch line = strings.Trim(line, "\x00\r\n"); {
		case line == "AUTH":
			fmt.Fprint(c, "REJECTED EXTERNAL\r\n")
		case strings.HasPrefix(line, "AUTH EXTERNAL"):
			fmt.Fprint(c, "OK 0123456789abcdef0123456789abcdef\r\n")
		case line != "BEGIN":
			fmt.Fprint(c, "ERROR\r\n")
		}
		if line == "BEGIN" {
			break
		}
	}
	for {
		call, err := dbus.DecodeMessage(r)
		if err != nil {
			return
		}
		s.mu.Lock()
		body, signal := s.answer(call)
		s.send(c, dbus.TypeMethodReply, map[dbus.HeaderField]dbus.Variant{dbus.FieldReplySerial: dbus.MakeVariant(call.Serial())}, body)
		if signal != nil {
			s.send(c, dbus.TypeSignal, signal, []any{true, dbus.MakeVariant("")}) // dismissed
		}
		s.mu.Unlock()
	}
}

// send writes a message. Caller holds s.mu.
func (s *secretService) send(c net.Conn, kind dbus.Type, headers map[dbus.HeaderField]dbus.Variant, body []any) {
	headers[dbus.FieldSender] = dbus.MakeVariant(":1.0")
	headers[dbus.FieldDestination] = dbus.MakeVariant(":1.1")
	if len(body) > 0 {
		headers[dbus.FieldSignature] = dbus.MakeVariant(dbus.SignatureOf(body...))
	}
	m := &dbus.Message{Type: kind, Headers: headers, Body: body}
	var b bytes.Buffer
	if err := m.EncodeTo(&b, binary.LittleEndian); err != nil {
		s.t.Error(err)
		return
	}
	s.serial++
	binary.LittleEndian.PutUint32(b.Bytes()[8:], s.serial) // which the library lets nobody set
	_, _ = c.Write(b.Bytes())                              // who has left needs no answer
}

// answer returns the answer to a call, and the signal that follows it.
func (s *secretService) answer(call *dbus.Message) (body []any, signal map[dbus.HeaderField]dbus.Variant) {
	path, _ := call.Headers[dbus.FieldPath].Value().(dbus.ObjectPath)
	member, _ := call.Headers[dbus.FieldMember].Value().(string)
	const none = dbus.ObjectPath("/")
	switch member {
	case "Hello":
		return []any{":1.1"}, nil
	case "Get": // the property Collections
		return []any{dbus.MakeVariant([]dbus.ObjectPath{loginPath})}, nil
	case "OpenSession":
		return []any{dbus.MakeVariant(""), dbus.ObjectPath(secretsPath + "/session/1")}, nil
	case "Unlock":
		if s.locked {
			return []any{[]dbus.ObjectPath{}, dbus.ObjectPath(secretsPath + "/prompt/1")}, nil
		}
		return []any{call.Body[0], none}, nil
	case "Prompt":
		s.prompts++
		return nil, map[dbus.HeaderField]dbus.Variant{
			dbus.FieldPath: dbus.MakeVariant(path), dbus.FieldInterface: dbus.MakeVariant("org.freedesktop.Secret.Prompt"), dbus.FieldMember: dbus.MakeVariant("Completed"),
		}
	case "SearchItems":
		wanted := call.Body[0].(map[string]string)
		found := []dbus.ObjectPath{}
		for at := range s.items {
			if s.has(at, wanted) {
				found = append(found, dbus.ObjectPath(at))
			}
		}
		return []any{found}, nil
	case "CreateItem":
		attributes := call.Body[0].(map[string]dbus.Variant)["org.freedesktop.Secret.Item.Attributes"].Value().(map[string]string)
		for at := range s.items {
			if s.has(at, attributes) {
				delete(s.items, at)
			}
		}
		s.next++
		at := fmt.Sprintf("%s/%d", loginPath, s.next)
		s.items[at] = secretItem{attributes, call.Body[1].([]any)[2].([]byte)}
		return []any{dbus.ObjectPath(at), none}, nil
	case "GetSecret":
		return []any{secretWire{secretsPath + "/session/1", []byte{}, s.items[string(path)].secret, "text/plain"}}, nil
	case "Delete":
		delete(s.items, string(path))
		return []any{none}, nil
	}
	return nil, nil // Close, AddMatch, RemoveMatch
}

// has reports whether an item has the attributes.
func (s *secretService) has(at string, wanted map[string]string) bool {
	for k, v := range wanted {
		if s.items[at].attributes[k] != v {
			return false
		}
	}
	return true
}

// TestSecretService keeps tokens in a keyring with the library that is used for real.
func TestSecretService(t *testing.T) {
	service := startSecretService(t)
	s := &Store{File: filepath.Join(t.TempDir(), "c.json"), Keyring: System{}}
	add(t, s, "https://a.corp/go", "", "one", Keyring)
	add(t, s, "https://b.corp", "me", "pass wörd", Keyring)
	add(t, s, "https://a.corp/go", "", "two", Keyring) // renewed
	if got, want := tokens(t, s), "https://a.corp/go  two keyring\nhttps://b.corp me pass wörd keyring\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	service.mu.Lock()
	if len(service.items) != 2 {
		t.Errorf("the keyring has %d items", len(service.items))
	}
	for _, item := range service.items {
		if item.attributes["service"] != "godown" || !strings.HasPrefix(item.attributes["username"], "https://") {
			t.Errorf("an item has the attributes %v", item.attributes)
		}
	}
	service.mu.Unlock()
	if gone, err := s.Remove(t.Context(), func(s Server) bool { return s.host == "a.corp" }); err != nil || len(gone) != 1 {
		t.Errorf("%v, %v", gone, err)
	}
	if _, err := (System{}).Get(t.Context(), "https://a.corp/go"); err != ErrNoSecret {
		t.Errorf("what was removed: %v", err)
	}

	// Locked, and its owner does not unlock it.
	service.mu.Lock()
	service.locked = true
	service.mu.Unlock()
	if list, err := s.Logins(t.Context(), anyServer); err == nil || len(list) != 0 {
		t.Errorf("of a locked keyring: %d logins, %v", len(list), err)
	}
	service.mu.Lock()
	if service.prompts == 0 {
		t.Error("nobody was asked to unlock it")
	}
	service.mu.Unlock()
}
