package program_test

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/diga-io/diga-api/e2e/internal/process"
)

// folder is what is in the folder of an SQLite file, byte for byte. The file beside it through which connections share
// memory (-shm) is left out: it holds no data.
func folder(t testing.TB, url string) map[string]string {
	t.Helper()
	path := strings.TrimPrefix(url, "sqlite:")
	names, err := filepath.Glob(path + "*")
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]string)
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(name, "-shm") && len(content) > 0 {
			found[name] = string(content)
		}
	}
	return found
}

// Commands that only read leave a backup, and the folder around it, byte for byte as they are.
func TestReadingChangesNoBackup(t *testing.T) {
	stopped := process.SQLite(t)
	process.NewKey(t, stopped)
	backup := "sqlite:" + filepath.Join(t.TempDir(), "backup.db")
	process.Output(t, "backup", "--database-url", stopped, strings.TrimPrefix(backup, "sqlite:"))
	for name, url := range map[string]string{"backup": backup, "file of a stopped server": stopped} {
		t.Run(name, func(t *testing.T) {
			folder := os.DirFS(filepath.Dir(strings.TrimPrefix(url, "sqlite:")))
			content := func() (text string) {
				entries, err := fs.ReadDir(folder, ".")
				for _, entry := range entries {
					var file []byte
					file, err = fs.ReadFile(folder, entry.Name())
					text += fmt.Sprintf("%s %x\n", entry.Name(), sha256.Sum256(file))
				}
				if err != nil {
					t.Fatal(err)
				}
				return text
			}
			before := content()
			for _, args := range [][]string{
				{"doctor", "--database-url", url},
				{"keys", "list", "--deleted", "--database-url", url},
				{"migrate", "--from", url, "--to", process.SQLite(t)},
			} {
				process.Output(t, args...)
				if now := content(); now != before {
					t.Errorf("%s has changed the folder from\n%sto\n%s", args, before, now)
				}
			}
		})
	}
}

// refusing is an address without a listener.
func refusing(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func TestMigrateFromToRefuses(t *testing.T) {
	source := process.SQLite(t)
	process.NewKey(t, source)
	before := folder(t, source)
	for name, test := range map[string]struct {
		args   []string
		status int
		told   []string
	}{
		"one side":            {[]string{"--from", source}, 2, []string{"--to", "missing"}},
		"the other side":      {[]string{"--to", source}, 2, []string{"--from", "missing"}},
		"wrong both":          {[]string{"--from", "mysql:x", "--to", "postgres://diga:s3cret@db:port/x"}, 2, []string{"--from", "--to"}},
		"the same":            {[]string{"--from", source, "--to", source}, 2, []string{"--to"}},
		"no source":           {[]string{"--from", source + "x", "--to", process.SQLite(t)}, 1, []string{source + "x"}},
		"unreachable target":  {[]string{"--from", source, "--to", "postgres://diga:s3cret@" + refusing(t) + "/x"}, 1, []string{"refused"}},
		"the same, otherwise": {[]string{"--from", source, "--to", "sqlite:" + filepath.Dir(strings.TrimPrefix(source, "sqlite:")) + "/./keys.db"}, 1, []string{"not empty"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := process.Run(t, process.Command(t, append([]string{"migrate"}, test.args...)...))
			if got.Status != test.status || strings.Contains(got.Stderr, "s3cret") {
				t.Errorf("%+v", got)
			}
			for _, word := range test.told {
				if !strings.Contains(got.Stderr, word) {
					t.Errorf("nothing of %s in %s", word, got.Stderr)
				}
			}
		})
	}
	if now := folder(t, source); fmt.Sprint(now) != fmt.Sprint(before) {
		t.Error("the source was touched")
	}
}
