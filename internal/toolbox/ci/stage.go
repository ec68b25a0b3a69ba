package ci

import (
	"slices"
	"strings"
)

// inStage says in a section of GitLab's which stage its job is in. A job that says
// nothing is in "test"; where the file has a list of stages without it, GitLab
// would refuse the whole pipeline.
func (f *File) inStage(s Section, there *Tree) Section {
	pair := there.pair("stages")
	if f.Job == "" || pair == nil || len(pair.Value.Items) == 0 {
		return s
	}
	var stages []string
	for _, item := range pair.Value.Items {
		stages = append(stages, strings.TrimPrefix(item.Scalar, "!!str "))
	}
	if slices.Contains(stages, "test") {
		return s
	}
	best := stages[0]
	for _, word := range []string{"build", "test"} {
		if i := slices.IndexFunc(stages, func(stage string) bool { return strings.Contains(stage, word) }); i >= 0 {
			best = stages[i]
		}
	}
	s.Text = strings.Replace(s.Text, f.Job, f.Job+"  stage: "+scalar(best)+"\n", 1)
	return s
}
