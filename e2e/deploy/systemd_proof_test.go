//go:build proof

package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// analyze runs systemd-analyze on the unit, changed to start the program where the test has built it.
func analyze(t *testing.T, change func(string) string, args ...string) (string, error) {
	t.Helper()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Fatal("systemd-analyze is missing: apt-get install systemd")
	}
	unit := filepath.Join(t.TempDir(), "diga-api.service")
	text := strings.ReplaceAll(read(t, folder+"/systemd/diga-api.service"), "/usr/local/bin/diga-api", program(t))
	if err := os.WriteFile(unit, []byte(change(text)), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "systemd-analyze", append(args, unit)...).CombinedOutput()
	return string(out), err
}

func TestUnit(t *testing.T) {
	unchanged := func(unit string) string { return unit }
	if out, err := analyze(t, unchanged, "verify", "--man=no"); err != nil || strings.Contains(out, "diga-api.service") {
		t.Errorf("%v\n%s", err, out)
	}
	unknown := func(unit string) string { return strings.Replace(unit, "ProtectClock=", "ProtectClocks=", 1) }
	if out, err := analyze(t, unknown, "verify", "--man=no"); err == nil && !strings.Contains(out, "ProtectClocks") {
		t.Error("an unknown setting passes")
	}

	// The exposure is from 0.0, confined from everything, to 10.0; a service that needs the network cannot go below 1.
	const threshold = "--threshold=15"
	if out, err := analyze(t, unchanged, "security", "--offline=true", threshold); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	open := func(unit string) string { return strings.Replace(unit, "SystemCallFilter=@", "#", 1) }
	if _, err := analyze(t, open, "security", "--offline=true", threshold); err == nil {
		t.Error("a unit that may call the whole kernel passes")
	}
}

func TestUnitAgrees(t *testing.T) {
	unit := read(t, folder+"/systemd/diga-api.service")
	value := func(name string) string {
		found := regexp.MustCompile(`(?m)^` + name + `=(.*)$`).FindStringSubmatch(unit)
		if found == nil {
			t.Fatalf("no %s", name)
		}
		return found[1]
	}
	checkCommand(t, strings.Fields(value("ExecStart"))[1:])
	if value("StartLimitIntervalSec") != "0" {
		t.Error("systemd gives up after some restarts")
	}
	if watchdog, err := strconv.Atoi(value("WatchdogSec")); value("Type") != "notify" || err != nil || watchdog < 10 {
		t.Errorf("Type=%s, WatchdogSec=%s: the server tells systemd that it serves, twice in this time", value("Type"), value("WatchdogSec"))
	}
	env := make(map[string]string)
	for _, found := range regexp.MustCompile(`(?m)^Environment=(\w+)=(.*)$`).FindAllStringSubmatch(unit, -1) {
		env[found[1]] = found[2]
	}
	if !strings.HasPrefix(env["DIGA_DATABASE_URL"], "sqlite:/var/lib/"+value("StateDirectory")+"/") {
		t.Errorf("%s is outside the state directory", env["DIGA_DATABASE_URL"])
	}
	seconds, err := strconv.Atoi(value("TimeoutStopSec"))
	if err != nil {
		t.Fatal(err)
	}
	if killed := time.Duration(seconds) * time.Second; killed <= stopping(t, env) {
		t.Errorf("killed after %s, but stopping may take %s", killed, stopping(t, env))
	}
}
