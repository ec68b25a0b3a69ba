package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Comparisons take the same time wherever the values differ, so that nobody
// finds them out byte by byte.

// signed reports whether signature is the HMAC-SHA256 of message in hex.
func signed(secret string, message []byte, signature string) bool {
	got, err := hex.DecodeString(signature)
	return err == nil && hmac.Equal(got, sum(secret, message))
}

func sum(secret string, message []byte) []byte {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write(message)
	return h.Sum(nil)
}

// same reports whether two secrets are the same. It compares hashes of them,
// so that not even the time for another length differs.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return hmac.Equal(x[:], y[:])
}

// prefixed is for the headers that name the hash function.
func (d delivery) prefixed(header string) bool {
	signature, ok := strings.CutPrefix(d.header.Get(header), "sha256=")
	return ok && signed(d.secret, d.body, signature)
}

// proveGitHub: https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
func proveGitHub(d delivery) bool { return d.prefixed("X-Hub-Signature-256") }

// proveForge is for Gitea and Forgejo: https://docs.gitea.com/usage/webhooks
func proveForge(d delivery) bool {
	for _, header := range []string{"X-Forgejo-Signature", "X-Gitea-Signature"} {
		if s := d.header.Get(header); s != "" {
			return signed(d.secret, d.body, s)
		}
	}
	return d.prefixed("X-Hub-Signature-256")
}

// proveBitbucket: https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/
func proveBitbucket(d delivery) bool { return d.prefixed("X-Hub-Signature") }

// proveGitLab: the header is the secret itself (https://docs.gitlab.com/user/project/integrations/webhooks/).
func proveGitLab(d delivery) bool { return same(d.header.Get("X-Gitlab-Token"), d.secret) }

// maxAge is how far from now the time of a signature may be that can be used
// again, as Gitee's documentation has it.
const maxAge = time.Hour

// proveGitee: the header is either the password or a signature of the time,
// which is valid for an hour (https://help.gitee.com/webhook/how-to-verify-webhook-keys).
// Neither covers the body.
func proveGitee(d delivery) bool {
	token, stamp := d.header.Get("X-Gitee-Token"), d.header.Get("X-Gitee-Timestamp")
	if same(token, d.secret) {
		return true
	}
	ms, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || d.now.Sub(time.UnixMilli(ms)).Abs() > maxAge {
		return false
	}
	// The documentation has it percent-encoded, the hosts send it plain.
	if strings.Contains(token, "%") {
		if token, err = url.QueryUnescape(token); err != nil {
			return false
		}
	}
	got, err := base64.StdEncoding.DecodeString(token)
	return err == nil && hmac.Equal(got, sum(d.secret, []byte(stamp+"\n"+d.secret)))
}
