package doctor

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/godown-dev/godown/internal/toolbox/lang"
)

// rootFiles and rootFolders are where programs written in Go look for
// authorities on Linux, as crypto/x509 has it.
func rootFiles() []string {
	return []string{
		"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
		"/etc/pki/tls/cacert.pem", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/ssl/cert.pem",
	}
}

func rootFolders() []string { return []string{"/etc/ssl/certs", "/etc/pki/tls/certs"} }

// checkRoots looks for the authorities by which certificates are verified.
func checkRoots(_ context.Context, f *Facts) []Finding {
	if f.OS == "windows" || f.OS == "darwin" {
		return nil // the system's own
	}
	var found []Finding
	file, dirs := f.Machine.Getenv("SSL_CERT_FILE"), f.Machine.Getenv("SSL_CERT_DIR")
	if file != "" && !hasCertificate(file) {
		found = append(found, f.rootsAbsent("SSL_CERT_FILE", file))
	}
	if dirs != "" {
		all := strings.Split(dirs, ":")
		if !slices.ContainsFunc(all, folderHasCertificate) {
			found = append(found, f.rootsAbsent("SSL_CERT_DIR", dirs))
		}
	}
	if len(found) > 0 || f.hasRoots(file, dirs) {
		return found
	}
	return []Finding{{
		ID: "ca-missing", Severity: Fault,
		Title:       text("There are no certificates of authorities on this machine", "本机没有任何 CA 证书"),
		Evidence:    []lang.Text{text("neither %s nor the other usual files have one", "%s 及其他常用位置都没有", rootFiles()[0])},
		Consequence: text("Each https server is refused: x509: certificate signed by unknown authority.", "所有 https 服务器都会被拒绝：x509: certificate signed by unknown authority。"),
		Fixes:       []Fix{f.install("ca-certificates", nil)},
	}}
}

// hasRoots reports whether an authority is where Go programs look.
func (f *Facts) hasRoots(file, dirs string) bool {
	if file != "" && hasCertificate(file) {
		return true
	}
	files := rootFiles()
	if file != "" {
		files = nil // it stands instead of them
	}
	folders := rootFolders()
	if dirs != "" {
		folders = nil
		if slices.ContainsFunc(strings.Split(dirs, ":"), folderHasCertificate) {
			return true
		}
	}
	return slices.ContainsFunc(files, func(name string) bool { return hasCertificate(f.under(name)) }) ||
		slices.ContainsFunc(folders, func(name string) bool { return folderHasCertificate(f.under(name)) })
}

// rootsAbsent returns that a variable names no authorities.
func (f *Facts) rootsAbsent(name, value string) Finding {
	x := Finding{
		ID: "ca-variable", Severity: Warning,
		Title:       text("%s names what has no certificate", "%s 所指之处没有证书", name),
		Evidence:    []lang.Text{text("%s=%s", "%s=%s", name, value)},
		Consequence: text("The authorities that are meant are not trusted; those of the system's folder may be, so that some servers work and others fail.", "想要信任的机构不会被信任；系统目录中的可能仍有效，所以有的服务器正常，有的失败。"),
		Fixes:       []Fix{{Command: f.unset(name), Say: text("go back to the system's, or mend the path", "改回系统默认，或更正路径")}},
	}
	file, dirs := f.Machine.Getenv("SSL_CERT_FILE"), f.Machine.Getenv("SSL_CERT_DIR")
	if !f.hasRoots(file, dirs) {
		x.Severity = Fault
		x.Consequence = text("No authority is trusted: each https server is refused, x509: certificate signed by unknown authority.", "没有任何机构被信任：所有 https 服务器都会被拒绝，x509: certificate signed by unknown authority。")
	}
	return x
}

// maxBundle is how much of a file is looked at, in bytes.
const maxBundle = 4 << 20

func hasCertificate(file string) bool {
	info, err := os.Stat(file)
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxBundle {
		return err == nil && info.Size() > maxBundle
	}
	data, err := os.ReadFile(file)
	return err == nil && bytes.Contains(data, []byte("-----BEGIN CERTIFICATE-----"))
}

func folderHasCertificate(dir string) bool {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(entries[:min(len(entries), 1000)], func(e os.DirEntry) bool { return hasCertificate(filepath.Join(dir, e.Name())) })
}
