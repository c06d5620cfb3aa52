package main

import (
	"fmt"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/oasdiff/oasdiff/checker"
	"github.com/oasdiff/oasdiff/diff"
	"github.com/oasdiff/oasdiff/load"
)

// contractChanges compares two OpenAPI documents. A warning of oasdiff counts as breaking, because an announcement costs
// only a line.
func contractChanges(oldPath, newPath string) ([]change, error) {
	was, err := load.NewSpecInfo(openapi3.NewLoader(), load.NewSource(oldPath))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", oldPath, err)
	}
	is, err := load.NewSpecInfo(openapi3.NewLoader(), load.NewSource(newPath))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", newPath, err)
	}
	difference, sources, err := diff.GetPathsDiff(diff.NewConfig(), []*load.SpecInfo{was}, []*load.SpecInfo{is})
	if err != nil {
		return nil, fmt.Errorf("compare %s with %s: %w", newPath, oldPath, err)
	}
	var changes []change
	found := checker.CheckBackwardCompatibilityUntilLevel(checker.NewConfig(checker.GetAllChecks()), difference, sources, checker.INFO)
	for _, c := range found {
		name := c.GetId()
		if c.GetPath() != "" {
			name = c.GetOperation() + " " + c.GetPath() + ": " + name
		}
		changes = append(changes, change{
			name: name, text: c.GetUncolorizedText(checker.NewDefaultLocalizer()), breaking: c.GetLevel() >= checker.WARN,
		})
	}
	return changes, nil
}
