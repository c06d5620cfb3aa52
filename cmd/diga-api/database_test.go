package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/diga-io/diga-api/gen/apitype"
	"github.com/diga-io/diga-api/server/store"
	"github.com/diga-io/diga-api/server/store/storetest"
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

// The way from one machine to many: the keys and tombstones of a file move to PostgreSQL, and callers notice nothing.
func TestMigrateFromTo(t *testing.T) {
	source, target := database(t), storetest.Postgres(t)
	admin, gone, left := newKey(t, source), newKey(t, source), newKey(t, source)
	server := serve(t, "--database-url", source)
	if got := server.delete(t, admin.Key, gone.ID); got != http.StatusOK {
		t.Fatal(got)
	}
	server.stop(t, syscall.SIGKILL) // the delete is in the write-ahead log, not in the file
	before := folder(t, source)

	if got := finish(t, command(t, "migrate", "--from", source, "--to", target)); got.status != 0 || got.stdout != "copied and compared 2 keys and 1 tombstones\n" {
		t.Fatalf("%+v", got)
	}
	if now := folder(t, source); fmt.Sprint(now) != fmt.Sprint(before) {
		t.Error("the source was touched")
	}
	list := func(url string) string {
		return finish(t, command(t, "keys", "list", "--deleted", "--json", "--database-url", url)).stdout
	}
	if was, is := list(source), list(target); was != is || is == "" {
		t.Errorf("the source has\n%sthe target\n%s", was, is)
	}
	server = serve(t, "--database-url", target, "--migrate=false")
	for _, step := range []struct {
		secret, id string
		status     int
	}{{gone.Key, left.ID, 403}, {admin.Key, gone.ID, 404}, {left.Key, left.ID, 200}} {
		if got := server.delete(t, step.secret, step.id); got != step.status {
			t.Errorf("%d, want %d", got, step.status)
		}
	}

	// A second copy is refused, and leaves the target as it is.
	now := list(target)
	if got := finish(t, command(t, "migrate", "--from", source, "--to", target)); got.status != 1 || !strings.Contains(got.stderr, "not empty") {
		t.Errorf("%+v", got)
	}
	if list(target) != now {
		t.Error("the refused copy changed the target")
	}
}

func TestMigrateFromToRefuses(t *testing.T) {
	source := database(t)
	newKey(t, source)
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
		"no source":           {[]string{"--from", source + "x", "--to", database(t)}, 1, []string{source + "x"}},
		"unreachable target":  {[]string{"--from", source, "--to", "postgres://diga:s3cret@" + refusing(t) + "/x"}, 1, []string{"refused"}},
		"the same, otherwise": {[]string{"--from", source, "--to", "sqlite:" + filepath.Dir(strings.TrimPrefix(source, "sqlite:")) + "/./keys.db"}, 1, []string{"not empty"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := finish(t, command(t, append([]string{"migrate"}, test.args...)...))
			if got.status != test.status || strings.Contains(got.stderr, "s3cret") {
				t.Errorf("%+v", got)
			}
			for _, word := range test.told {
				if !strings.Contains(got.stderr, word) {
					t.Errorf("nothing of %s in %s", word, got.stderr)
				}
			}
		})
	}
	if now := folder(t, source); fmt.Sprint(now) != fmt.Sprint(before) {
		t.Error("the source was touched")
	}
}

// A backup made while keys are deleted holds every delete acknowledged before it began, and serves when it is copied
// back, over a file that is damaged.
func TestBackupAndRestore(t *testing.T) {
	url := database(t)
	keys := openStore(t, url)
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
		if got := finish(t, command(t, "backup", "--database-url", url, file)); got.status != 0 || got.stdout != "backed up to "+file+"\n" {
			t.Fatalf("%+v", got)
		}
	})
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
		t.Fatal(err, info.Mode())
	}
	if got := finish(t, command(t, "backup", "--database-url", url, file)); got.status != 1 || !strings.Contains(got.stderr, "exists") {
		t.Errorf("over another backup: %+v", got)
	}
	if err := keys.Close(); err != nil {
		t.Fatal(err)
	}
	servers[0].stop(t, syscall.SIGTERM)

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
	keys = openStore(t, url)
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
		if got := finish(t, command(t, append([]string{"backup"}, args...)...)); got.status != 2 {
			t.Errorf("backup %v: %+v", args, got)
		}
	}
}

// refusing is an address that nobody listens on.
func refusing(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// A database that cannot be used is one sentence that names what to mend, without the password.
func TestDatabasesThatCannotBeUsed(t *testing.T) {
	right := storetest.Postgres(t)
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
			got := finish(t, command(t, "keys", "list", "--database-url", test.url))
			if got.status != test.status || !strings.Contains(got.stderr, test.told) {
				t.Errorf("%+v", got)
			}
			if strings.Count(got.stderr, "\n") != 1 || strings.Contains(got.stderr, "s3cret") || strings.Contains(got.stderr, "pa55-w0rd") {
				t.Errorf("it says %s", got.stderr)
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
	drivers := map[bool]string{true: "sqlite", false: "pgx"}
	onEngines(t, func(t *testing.T, url string) {
		path, embedded := strings.CutPrefix(url, "sqlite:")
		newKey(t, url)
		db, err := sql.Open(drivers[embedded], path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		if _, err := db.Exec(`INSERT INTO diga_schema_version (version_id, is_applied) VALUES (999, true)`); err != nil {
			t.Fatal(err)
		}
		state := func() (state string) {
			if embedded {
				return fmt.Sprint(folder(t, url))
			}
			err := db.QueryRow(`SELECT (SELECT count(*) FROM pg_class) || ' ' || (SELECT max(version_id) FROM diga_schema_version) ` +
				`|| ' ' || (SELECT string_agg(k::text, ' ') FROM api_keys k)`).Scan(&state)
			if err != nil {
				t.Fatal(err)
			}
			return state
		}
		if embedded { // so that nothing is left to be moved into the file
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
		}
		before := state()
		for _, args := range [][]string{
			{"serve", "--addr", "127.0.0.1:0"}, {"serve", "--addr", "127.0.0.1:0", "--migrate=false"}, {"migrate"}, {"keys", "list"},
			{"keys", "create", "--project", project, "--name", "n"},
		} {
			got := finish(t, command(t, append(args, "--database-url", url)...))
			if got.status != 1 || !strings.Contains(got.stderr, "newer") || strings.Count(got.stderr, "\n") != 1 {
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
		keys := openStore(t, url)
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
