//go:build proof

package program_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/diga-io/diga-api/e2e/internal/postgres"
	"github.com/diga-io/diga-api/e2e/internal/process"
	"github.com/diga-io/diga-api/gen/apitype"
	"github.com/diga-io/diga-api/server/store"
	"github.com/diga-io/diga-api/server/store/storetest"
)

// The way from one machine to many: the keys and tombstones of a file move to PostgreSQL, and callers notice nothing.
func TestMigrateFromTo(t *testing.T) {
	source, target := process.SQLite(t), postgres.Database(t)
	admin, gone, left := process.NewKey(t, source), process.NewKey(t, source), process.NewKey(t, source)
	server := process.Serve(t, "--database-url", source)
	if got := server.Delete(t, admin.Key, gone.ID); got != http.StatusOK {
		t.Fatal(got)
	}
	server.Stop(t, syscall.SIGKILL) // the delete is in the write-ahead log, not in the file
	before := folder(t, source)

	if got := process.Run(t, process.Command(t, "migrate", "--from", source, "--to", target)); got.Status != 0 || !strings.HasPrefix(got.Stdout, "copied and compared 2 keys and 1 tombstone from "+source+" to postgres://") {
		t.Fatalf("%+v", got)
	}
	if now := folder(t, source); fmt.Sprint(now) != fmt.Sprint(before) {
		t.Error("the source was touched")
	}
	list := func(url string) string {
		listed := process.Output(t, "keys", "list", "--deleted", "--json", "--database-url", url)
		return regexp.MustCompile(`"store":"[^"]+"`).ReplaceAllString(listed, "")
	}
	if was, is := list(source), list(target); was != is || is == "" {
		t.Errorf("the source has\n%sthe target\n%s", was, is)
	}
	server = process.Serve(t, "--database-url", target, "--migrate=false")
	for _, step := range []struct {
		secret, id string
		status     int
	}{{gone.Key, left.ID, 403}, {admin.Key, gone.ID, 404}, {left.Key, left.ID, 200}} {
		if got := server.Delete(t, step.secret, step.id); got != step.status {
			t.Errorf("%d, want %d", got, step.status)
		}
	}

	// A second copy is refused, and leaves the target as it is.
	now := list(target)
	if got := process.Run(t, process.Command(t, "migrate", "--from", source, "--to", target)); got.Status != 1 || !strings.Contains(got.Stderr, "not empty") {
		t.Errorf("%+v", got)
	}
	if list(target) != now {
		t.Error("the refused copy changed the target")
	}
}

// A backup made while keys are deleted holds every delete acknowledged before it began, and serves when it is copied
// back, over a file that is damaged.
func TestBackupAndRestore(t *testing.T) {
	url := process.SQLite(t)
	keys := storetest.Open(t, url)
	load := newLoad(t, keys, 200)
	servers := replicas(t, 1, url)
	file := filepath.Join(t.TempDir(), "backup.db")
	var before []apitype.UUID
	load.run(t, servers, 10, func() {
		load.mutex.Lock()
		for id := range load.acknowledged {
			before = append(before, id)
		}
		load.mutex.Unlock()
		if got := process.Run(t, process.Command(t, "backup", "--database-url", url, file)); got.Status != 0 || !strings.HasPrefix(got.Stdout, "backed up "+url+" to "+file+" at ") {
			t.Fatalf("%+v", got)
		}
	})
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
		t.Fatal(err, info.Mode())
	}
	if got := process.Run(t, process.Command(t, "backup", "--database-url", url, file)); got.Status != 1 || !strings.Contains(got.Stderr, "exists") {
		t.Errorf("over another backup: %+v", got)
	}
	if err := keys.Close(); err != nil {
		t.Fatal(err)
	}
	servers[0].Stop(t, syscall.SIGTERM)

	// As the README says: stop, remove what is left of the store, copy the backup there, start.
	path := strings.TrimPrefix(url, "sqlite:")
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		os.Remove(name)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	server := replicas(t, 1, url)[0]
	keys = storetest.Open(t, url)
	found := tombstones(t, url)
	for _, id := range before {
		if _, deleted := found[id]; !deleted {
			t.Errorf("the backup does not know that %s was deleted", id)
		}
	}
	another := create(t, keys, load.caller.ProjectID)
	if got := load.asker.mustDelete(t, server, load.caller.secret, another.ID); got.status != http.StatusOK {
		t.Errorf("after the restore: %d", got.status)
	}

	for _, args := range [][]string{{}, {"--database-url", "postgres://db/diga", file}, {"--database-url", "mysql:x", file}} {
		if got := process.Run(t, process.Command(t, append([]string{"backup"}, args...)...)); got.Status != 2 {
			t.Errorf("backup %v: %+v", args, got)
		}
	}
}

// A database that cannot be used is reported in one sentence that says what to fix, without the password.
func TestDatabasesThatCannotBeUsed(t *testing.T) {
	right := postgres.Database(t)
	secured, stranger := tlsPostgres(t), strangeAuthority(t)
	user := strings.Index(right, "diga:")
	for name, test := range map[string]struct {
		url    string
		status int
		told   string
	}{
		"scheme":                {"mysql://diga:s3cret@db/diga", 2, "postgres://"},
		"port":                  {"postgres://diga:s3cret@db:port/diga", 2, "port"},
		"refused":               {"postgres://diga:s3cret@" + refusing(t) + "/diga", 1, "refused"},
		"user":                  {right[:user] + "nobody:s3cret" + right[strings.IndexByte(right, '@'):], 1, `"nobody"`},
		"password":              {right[:user] + "diga:s3cret" + right[strings.IndexByte(right, '@'):], 1, `"diga"`},
		"database":              {strings.Replace(right, "diga_test_", "missing_", 1), 1, "missing_"},
		"sslmode":               {"postgres://diga:s3cret@db/diga?sslmode=sometimes", 2, "sslmode"},
		"certificate of nobody": {"postgres://diga:s3cret@" + secured + "/diga?sslmode=verify-full&sslrootcert=" + stranger, 1, "certificate"},
		"no certificate file":   {"postgres://diga:s3cret@" + secured + "/diga?sslmode=verify-full&sslrootcert=/no/such/ca.pem", 2, "/no/such/ca.pem"},
	} {
		t.Run(name, func(t *testing.T) {
			got := process.Run(t, process.Command(t, "keys", "list", "--database-url", test.url))
			if got.Status != test.status || !strings.Contains(got.Stderr, test.told) {
				t.Errorf("%+v", got)
			}
			if strings.Count(got.Stderr, "\n") != 1 || strings.Contains(got.Stderr, "s3cret") || strings.Contains(got.Stderr, "pa55-w0rd") {
				t.Errorf("it says %s", got.Stderr)
			}
		})
	}
}

// tlsPostgres listens as PostgreSQL does, as far as the handshake of TLS, with a certificate that no authority issued.
func tlsPostgres(t testing.TB) string {
	t.Helper()
	model := httptest.NewUnstartedServer(nil)
	model.StartTLS()
	t.Cleanup(model.Close)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				if _, err := io.ReadFull(conn, make([]byte, 8)); err != nil { // SSLRequest
					return
				}
				io.WriteString(conn, "S")
				tls.Server(conn, model.TLS).HandshakeContext(t.Context())
			}()
		}
	}()
	return listener.Addr().String()
}

// strangeAuthority is the file of a certificate authority that has issued nothing.
func strangeAuthority(t testing.TB) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, NotAfter: time.Now().Add(time.Hour)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "stranger.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// A schema from the future is refused by every command, and left as it is.
func TestNewerSchema(t *testing.T) {
	onEngines(t, func(t *testing.T, url string) {
		process.NewKey(t, url)
		db := storetest.Connect(t, url)
		storetest.Exec(t, db, `INSERT INTO diga_schema_version (version_id, is_applied) VALUES (999, true)`)
		state := func() (state string) {
			if strings.HasPrefix(url, "sqlite:") {
				return fmt.Sprint(folder(t, url))
			}
			err := db.QueryRow(`SELECT (SELECT count(*) FROM pg_class) || ' ' || (SELECT max(version_id) FROM diga_schema_version) ` +
				`|| ' ' || (SELECT string_agg(k::text, ' ') FROM api_keys k)`).Scan(&state)
			if err != nil {
				t.Fatal(err)
			}
			return state
		}
		if strings.HasPrefix(url, "sqlite:") { // so that nothing is left to be moved into the file
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
		}
		before := state()
		for _, args := range [][]string{
			{"serve", "--addr", "127.0.0.1:0"}, {"serve", "--addr", "127.0.0.1:0", "--migrate=false"}, {"migrate"}, {"keys", "list"},
			{"keys", "create", "--project", process.Project, "--name", "n"},
		} {
			got := process.Run(t, process.Command(t, append(args, "--database-url", url)...))
			if got.Status != 1 || !strings.Contains(got.Stderr, "newer") || strings.Count(got.Stderr, "\n") != 1 {
				t.Errorf("%v: %+v", args, got)
			}
		}
		if state() != before {
			t.Errorf("it was touched: %s", state())
		}
	})
}

// Ten servers start at once on an empty database; all of them serve, and one of them has made the schema.
func TestTenServersStartAtOnce(t *testing.T) {
	onEngines(t, func(t *testing.T, url string) {
		servers := replicas(t, 10, url)
		keys := storetest.Open(t, url)
		project := apitype.NewUUID()
		administrator, targets := create(t, keys, project), createMany(t, keys, project, len(servers))
		asker := newAsker(t)
		var wg sync.WaitGroup
		for i, server := range servers {
			wg.Go(func() {
				got, err := asker.delete(t.Context(), server, administrator.secret, targets[i].ID, "")
				if err != nil || got.status != http.StatusOK {
					t.Errorf("server %d: %d %v", i, got.status, err)
				}
			})
		}
		wg.Wait()
		if version, err := keys.SchemaVersion(t.Context()); err != nil || version != store.Head {
			t.Errorf("schema version %d, %v", version, err)
		}
	})
}
