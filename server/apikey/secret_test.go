package apikey_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/diga-io/diga-api/gen/apitype"
	"github.com/diga-io/diga-api/server/apikey"
)

// A secret has 256 random bits and a checksum with which a scanner verifies a match.
func TestSecretCanBeRecognised(t *testing.T) {
	text := apikey.NewSecret().Reveal()
	digits, ok := strings.CutPrefix(text, "diga_")
	if !ok || len(digits) != 64+8 {
		t.Fatalf("the secret has %d digits", len(digits))
	}
	if want := fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(digits[:64]))); digits[64:] != want {
		t.Errorf("checksum %s, want %s", digits[64:], want)
	}
	if random, err := hex.DecodeString(digits[:64]); err != nil || len(random) != 32 {
		t.Errorf("%d bytes, %v", len(random), err)
	}
	if apikey.NewSecret().Reveal() == text {
		t.Error("two secrets are the same")
	}
}

func TestPlausible(t *testing.T) {
	text := apikey.NewSecret().Reveal()
	for token, want := range map[string]bool{
		text: true, "0123456789abcdef": true, "a": true, strings.ToUpper(text): true, // issued elsewhere, perhaps
		"": false, "diga_": false, text[:76]: false, text + "0": false, text[:69] + "00000000": false, "diga_" + strings.Repeat("0", 72): false,
		"diga_" + strings.ToUpper(text[5:]): false, "a b": false, "caf\u00e9": false, "a\x00": false,
	} {
		if got := apikey.SecretOf(token).Plausible(); got != want {
			t.Errorf("%q is plausible: %t", token, got)
		}
	}
	if new(apikey.Secret).Plausible() {
		t.Error("the zero value is plausible")
	}
}

// Printing a secret, or a value that contains one, shows at most its last four characters.
func TestSecretDoesNotPrint(t *testing.T) {
	secret := apikey.NewSecret()
	type holder struct {
		Exported   apikey.Secret
		unexported apikey.Secret
		pointer    *apikey.Secret
	}
	held := holder{secret, secret, &secret}
	var log strings.Builder
	logger := slog.New(slog.NewTextHandler(&log, nil))
	logger.Info("secret", "value", secret, "holder", held, "pointer", &secret)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("secret", "value", secret, "holder", held)
	printed := []string{log.String(), fmt.Sprint(held.unexported, held.pointer)}
	for _, verb := range "vsqdxXoObcUpTtegf" {
		for _, format := range []string{"%", "%+", "%#"} {
			printed = append(printed, fmt.Sprintf(format+string(verb), secret), fmt.Sprintf(format+string(verb), held))
		}
	}
	encoded, err := json.Marshal(held)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range append(printed, string(encoded)) {
		if strings.Contains(text, secret.Reveal()[10:30]) || strings.Contains(text, hex.EncodeToString([]byte(secret.Reveal()))[20:60]) {
			t.Errorf("printed %s", text)
		}
	}
	if got := secret.String(); got != "diga_…"+secret.Reveal()[len(secret.Reveal())-4:] {
		t.Errorf("prints as %s", got)
	}
	if got := apikey.SecretOf("hunter2").String(); got != "diga_…" {
		t.Errorf("a short one prints as %s", got)
	}
	if got := (apikey.Secret{}).String(); got != "diga_…" {
		t.Errorf("none prints as %s", got)
	}
}

func TestMay(t *testing.T) {
	for name, test := range map[string]struct {
		key apikey.Key
		may bool
	}{
		"unrestricted":               {apikey.Key{}, true},
		"restricted to nothing":      {apikey.Key{Restricted: true}, false},
		"restricted to another":      {apikey.Key{Restricted: true, Permissions: []string{"api_keys.deleted"}}, false},
		"restricted to this":         {apikey.Key{Restricted: true, Permissions: []string{"calls.view", "api_keys.delete"}}, true},
		"unrestricted, with a list":  {apikey.Key{Permissions: []string{"calls.view"}}, true},
		"restricted, another's case": {apikey.Key{Restricted: true, Permissions: []string{"API_KEYS.DELETE"}}, false},
	} {
		if got := test.key.May(apikey.PermissionDelete); got != test.may {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestExpired(t *testing.T) {
	expiry := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	key := apikey.Key{ExpiresAt: expiry}
	if key.Expired(expiry.Add(-1)) || !key.Expired(expiry) || (&apikey.Key{}).Expired(expiry) {
		t.Error("a key is good until, not at, its expiry, and without one for ever")
	}
}

func TestDeletedErrorIsNotFound(t *testing.T) {
	err := fmt.Errorf("wrapped: %w", &apikey.DeletedError{ID: apitype.UUID{15: 1}})
	deleted, ok := errors.AsType[*apikey.DeletedError](err)
	if !errors.Is(err, apikey.ErrNotFound) || !ok || deleted.ID != (apitype.UUID{15: 1}) {
		t.Errorf("%v: not found %t, deleted %v", err, errors.Is(err, apikey.ErrNotFound), deleted)
	}
}
