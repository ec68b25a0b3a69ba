package goenv_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/godown-dev/godown/internal/toolbox/goenv"
)

// told puts lines into words, with files named from a folder.
func told(t *testing.T, root string, lines []goenv.FileLine) []string {
	t.Helper()
	var all []string
	for _, l := range lines {
		file, err := filepath.Rel(root, l.File)
		if err != nil {
			t.Fatal(err)
		}
		s := fmt.Sprintf("%s:%d %s %s=%s", filepath.ToSlash(file), l.Number, l.For, l.Name, l.Value)
		if !l.Literal {
			s += " substituted"
		}
		if l.Maybe {
			s += " maybe"
		}
		if l.Writes {
			s += " writes"
		}
		all = append(all, s)
	}
	return all
}

func compare(t *testing.T, got []string, want string) {
	t.Helper()
	wanted := strings.Split(strings.TrimSpace(want), "\n")
	if !slices.Equal(got, wanted) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(wanted, "\n"))
	}
}

func TestShellSettings(t *testing.T) {
	d := newDesk(t)
	d.write("etc/environment", "PATH=/bin\nGOSUMDB=\"off\"\n# GOPROXY=x\n")
	d.write("etc/profile.d/go.sh", "export GOPROXY=https://corp.example,direct PATH=$PATH:/x # GOSUMDB=off\n")
	d.write(".bashrc", `# export GOPROXY=https://no.example
export   GOPROXY='https://a.example|https://b.example,direct'
GOPRIVATE=x.example; export GOPRIVATE GOX
GONOPROXY=not.exported
GOSUMDB=off go build
echo "export GOPROXY=said.example"
cat <<'END' >x
export GOPROXY=https://text.example
END
if [ -f x ]; then export GOSUMDB=off; fi
[ -d y ] && export GOFLAGS="-mod=mod -x=$HOME"
if true
then
  export GOINSECURE=insecure.example
fi
goproxy_on() {
  export GOPROXY=https://function.example
}
mirror () { export GOPROXY=https://function.example; }
function other {
  export GOPROXY=https://function.example
}
export GONOSUMDB=a.example,\
b.example
declare -x GOVCS="*:git"
go env -w GOPROXY=https://written.example GOSUMDB=off
export GONOSUMCHECK=1 GOTOOLCHAIN=local
unset GOTOOLCHAIN
if true; then unset GOVCS; fi
`)
	d.write(".zshenv", "set -a\nGOPROXY=https://zsh.example\n")
	d.write(".config/fish/config.fish", "set -gx GOPROXY https://fish.example,direct\nset GOSUMDB off\nset -e GOPRIVATE\nif status is-login\n  set --global --export GOSUMDB 'off'\nend\nfunction f\n  set -x GOPROXY no\nend\nset -Ux GOFLAGS $X\n")
	d.write(".config/fish/fish_variables", "# VERSION: 3.0\nSETUVAR --export GOPROXY:https\\x3a//universal.example\\x2cdirect\nSETUVAR GOSUMDB:off\n")
	d.write(".config/powershell/Microsoft.PowerShell_profile.ps1", "$env:GOPROXY = \"https://ps.example\"\n$Env:gosumdb='off'; x\n[Environment]::SetEnvironmentVariable(\"GOPRIVATE\", \"x.example\", \"User\")\n# $env:GOFLAGS = 'x'\n")
	d.write(".cshrc", "setenv GOPROXY https://csh.example\n")
	got := told(t, d.home, goenv.ShellSettings(d.Machine, d.home, d.home))
	compare(t, got, `
etc/environment:2 login GOSUMDB=off
etc/profile.d/go.sh:1 sh GOPROXY=https://corp.example,direct
.bashrc:2 sh GOPROXY=https://a.example|https://b.example,direct
.bashrc:3 sh GOPRIVATE=x.example
.bashrc:10 sh GOSUMDB=off maybe
.bashrc:11 sh GOFLAGS=-mod=mod -x=$HOME substituted maybe
.bashrc:14 sh GOINSECURE=insecure.example maybe
.bashrc:23 sh GONOSUMDB=a.example,b.example
.bashrc:25 sh GOVCS=*:git
.bashrc:26 sh GOPROXY=https://written.example writes
.bashrc:26 sh GOSUMDB=off writes
.bashrc:27 sh GONOSUMCHECK=1
.zshenv:2 sh GOPROXY=https://zsh.example
.config/fish/fish_variables:2 fish GOPROXY=https://universal.example,direct
.config/fish/config.fish:1 fish GOPROXY=https://fish.example,direct
.config/fish/config.fish:5 fish GOSUMDB=off maybe
.config/fish/config.fish:10 fish GOFLAGS=$X substituted
.cshrc:1 csh GOPROXY=https://csh.example
.config/powershell/Microsoft.PowerShell_profile.ps1:1 powershell GOPROXY=https://ps.example
.config/powershell/Microsoft.PowerShell_profile.ps1:2 powershell GOSUMDB=off
.config/powershell/Microsoft.PowerShell_profile.ps1:3 powershell GOPRIVATE=x.example
`)
}

func TestProjectSettings(t *testing.T) {
	d := newDesk(t)
	d.write(".envrc", "export GOPROXY=https://home.example\n") // beyond the project
	d.write("p/.git/HEAD", "x")
	d.write("p/.envrc", "export GOPROXY=https://direnv.example\n")
	d.write("p/sub/go.mod", "module x\n")
	d.write("p/sub/.env", "GOPROXY=https://a.example|https://b.example # why\nOTHER=x\nexport GOSUMDB='off'\n")
	d.write("p/sub/mise.toml", "[tools]\ngo = \"1.26\"\nGOPROXY = \"no\"\n[env]\nGOPROXY = \"https://mise.example\"\n")
	d.write("p/sub/Makefile", `export GOPROXY ?= https://make.example
GOSUMDB := off
GOPRIVATE = x.example # mine
export GOPRIVATE
build:
	@GOFLAGS=-mod=mod $(GO) build ./...
	echo GOPROXY=x
	go env -w GOSUMDB=off
`)
	d.write("p/sub/Dockerfile", "FROM x\nENV GOPROXY=https://a.example|https://b.example,direct \\\n    GOSUMDB=off\nENV GOPRIVATE x.example\nARG GOFLAGS=-x\nRUN --mount=type=cache,target=/x go env -w GOPROXY=https://run.example && go build\nRUN export GOFLAGS=-mod=mod && make\n")
	d.write("p/.github/workflows/ci.yml", "env:\n  GOPROXY: https://ci.example # x\n  # GOSUMDB: off\njobs:\n  a:\n    steps:\n      - run: go env -w GOSUMDB=off\n      - env:\n          GOPRIVATE: ${{ vars.X }}\n      - run: |\n          GOPROXY=off go test ./...\n          echo GOPROXY\n")
	d.write("p/.gitlab-ci.yml", "variables:\n  GOPROXY: \"https://gitlab.example\"\n")
	d.write("p/compose.yaml", "services:\n  a:\n    environment:\n      - GOPROXY=https://compose.example\n      - OTHER=x\n")
	d.write("p/.vscode/settings.json", "{\n  // \"GOSUMDB\": \"off\"\n  \"go.toolsEnvVars\": {\"GOPROXY\": \"https://code.example\"}\n}\n")
	d.write("p/Jenkinsfile", "environment {\n  GOPROXY = 'https://jenkins.example'\n}\n")
	got := told(t, d.home, goenv.ProjectSettings(filepath.Join(d.home, "p/sub"), d.home))
	compare(t, got, `
p/sub/.env:1 dotenv GOPROXY=https://a.example|https://b.example
p/sub/.env:3 dotenv GOSUMDB=off
p/sub/mise.toml:5 mise GOPROXY=https://mise.example
p/sub/Makefile:1 make GOPROXY=https://make.example maybe
p/sub/Makefile:3 make GOPRIVATE=x.example
p/sub/Makefile:6 make GOFLAGS=-mod=mod maybe
p/sub/Makefile:8 make GOSUMDB=off maybe writes
p/sub/Dockerfile:2 docker GOPROXY=https://a.example|https://b.example,direct
p/sub/Dockerfile:2 docker GOSUMDB=off
p/sub/Dockerfile:4 docker GOPRIVATE=x.example
p/sub/Dockerfile:6 docker GOPROXY=https://run.example maybe writes
p/sub/Dockerfile:7 docker GOFLAGS=-mod=mod maybe
p/.envrc:1 direnv GOPROXY=https://direnv.example
p/compose.yaml:4 compose GOPROXY=https://compose.example maybe
p/.github/workflows/ci.yml:2 github GOPROXY=https://ci.example maybe
p/.github/workflows/ci.yml:7 github GOSUMDB=off maybe writes
p/.github/workflows/ci.yml:9 github GOPRIVATE=${{ vars.X }} substituted maybe
p/.github/workflows/ci.yml:11 github GOPROXY=off maybe
p/.gitlab-ci.yml:2 gitlab GOPROXY=https://gitlab.example maybe
p/Jenkinsfile:2 jenkins GOPROXY=https://jenkins.example maybe
p/.vscode/settings.json:3 vscode GOPROXY=https://code.example
`)
	// Without a repository, only the module's own folders count; the home never does.
	bare := filepath.Join(d.home, "bare", "deep")
	d.write("bare/go.mod", "module x\n")
	d.write("bare/.env", "GOPROXY=off\n")
	d.write("bare/deep/.env", "GOSUMDB=off\n")
	d.write(".git/HEAD", "x") // some keep their home in a repository
	d.write("go.mod", "module home\n")
	compare(t, told(t, d.home, goenv.ProjectSettings(bare, d.home)), "bare/deep/.env:1 dotenv GOSUMDB=off\nbare/.env:1 dotenv GOPROXY=off")
}
