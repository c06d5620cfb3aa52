package e2e

import (
	"bufio"
	"io/fs"
	"os"
	"path"
	"strings"
	"testing"
)

// The build tag proof, the names of the files and the list in doc.go agree, so that one look at this module shows what
// the second tier contains.
func TestTiers(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	proofs := 0
	root := os.DirFS("..")
	err = fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == ".git" || entry.Name() == "node_modules" || entry.Name() == "testdata"):
			return fs.SkipDir
		case !strings.HasSuffix(name, ".go"):
			return nil
		}
		file, err := root.Open(name)
		if err != nil {
			return err
		}
		defer file.Close()
		first, err := bufio.NewReader(file).ReadString('\n')
		if err != nil {
			return err
		}
		tagged := strings.HasPrefix(first, "//go:build ") && strings.Contains(first, "proof")
		if named := strings.HasPrefix(name, "e2e/") && strings.HasSuffix(name, "_proof_test.go"); named != tagged {
			t.Errorf("%s: in e2e and named *_proof_test.go: %t; has the build tag proof: %t", name, named, tagged)
		}
		if tagged {
			proofs++
			if folder := path.Base(path.Dir(name)); !strings.Contains(string(doc), "\n//\t"+folder+" ") {
				t.Errorf("doc.go does not list %s", folder)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if proofs < 5 {
		t.Errorf("found only %d files of the second tier", proofs)
	}
}
