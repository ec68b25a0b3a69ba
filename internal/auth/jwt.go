package auth

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"time"
)

// A JWT of an app may be 10 minutes old. It begins a minute early, in case that
// our clock is ahead of GitHub's.
const (
	jwtEarly = time.Minute
	jwtAge   = 9 * time.Minute // from now
)

// parseKey parses an RSA key in PEM, PKCS #1 or PKCS #8. No error shows anything of it.
func parseKey(text string) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("it is no PEM: it should begin with -----BEGIN RSA PRIVATE KEY-----")
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	if key, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
		if key, ok := key.(*rsa.PrivateKey); ok {
			return key, nil
		}
	}
	return nil, errors.New("it is no RSA private key (PKCS #1 or PKCS #8), or it is encrypted")
}

// signJWT returns the token with which an app proves who it is (RFC 7519, RS256).
func signJWT(key *rsa.PrivateKey, issuer string, now time.Time) (string, error) {
	claims, err := json.Marshal(struct {
		IssuedAt int64  `json:"iat"`
		Expires  int64  `json:"exp"`
		Issuer   string `json:"iss"`
	}{now.Add(-jwtEarly).Unix(), now.Add(jwtAge).Unix(), issuer})
	if err != nil {
		return "", err
	}
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + encode(claims)
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
	if err != nil {
		return "", errors.New("signing with the key of the app failed")
	}
	return text + "." + encode(signature), nil
}
