package api_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"reflect"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/diga-io/diga-api/api"
)

// openapi.json.sha256 is the checksum of the document that was last compared with the publisher's. A commit that changes
// the contract on purpose updates it.
func TestDocumentIsTheReviewedOne(t *testing.T) {
	want, err := os.ReadFile("openapi.json.sha256")
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(api.Document)
	if got := hex.EncodeToString(sum[:]) + "  openapi.json\n"; got != string(want) {
		t.Errorf("the document is not the reviewed one: review the change, then run `cd api && sha256sum openapi.json > openapi.json.sha256`\ngot  %swant %s", got, want)
	}
}

// If the published document is present beside the checkout, ours must be equal to it. Otherwise the checksum above has to
// suffice.
func TestDocumentSaysWhatWasPublished(t *testing.T) {
	source, err := os.ReadFile("../../shared/contract/delete_api_key.openapi.yaml")
	if os.IsNotExist(err) {
		t.Logf("not compared, only the checksum: %v", err)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	var want, got any
	if err := yaml.Unmarshal(source, &want); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(api.Document, &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("api/openapi.json is\n%v\nthe published document is\n%v", got, want)
	}
}
