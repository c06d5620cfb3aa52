//go:build proof

package deploy_test

import (
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// cluster is what the manifests ask of Kubernetes.
type cluster struct {
	account    corev1.ServiceAccount
	deployment appsv1.Deployment
	service    corev1.Service
	budget     policyv1.PodDisruptionBudget
	network    networkingv1.NetworkPolicy
	secrets    [2]corev1.Secret // of the server, and of the owner of the tables
}

// kubernetes reads the manifests as strictly as Kubernetes' own types can: an unknown or repeated field fails.
func kubernetes(t *testing.T) *cluster {
	t.Helper()
	var c cluster
	targets := map[string]any{ // the name is there where a kind comes twice
		"v1 ServiceAccount":                  &c.account,
		"apps/v1 Deployment":                 &c.deployment,
		"v1 Service":                         &c.service,
		"policy/v1 PodDisruptionBudget":      &c.budget,
		"networking.k8s.io/v1 NetworkPolicy": &c.network,
		"v1 Secret diga-api-server":          &c.secrets[0],
		"v1 Secret diga-api-owner":           &c.secrets[1],
	}
	paths, err := filepath.Glob(folder + "/kubernetes/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		for _, document := range regexp.MustCompile(`(?m)^---$`).Split(read(t, path), -1) {
			var kind metav1.PartialObjectMetadata
			if err := yaml.Unmarshal([]byte(document), &kind); err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			name := kind.APIVersion + " " + kind.Kind
			if kind.Kind == "Secret" {
				name += " " + kind.Name
			}
			target := targets[name]
			if target == nil {
				t.Fatalf("%s: a second %s, or one that no test looks at", path, name)
			}
			delete(targets, name)
			if err := yaml.UnmarshalStrict([]byte(document), target); err != nil {
				t.Fatalf("%s: %s: %v", path, name, err)
			}
		}
	}
	for _, missing := range slices.Sorted(maps.Keys(targets)) {
		t.Fatalf("no %s", missing)
	}
	return &c
}

func TestKubernetesNamesAgree(t *testing.T) {
	c := kubernetes(t)
	pod := c.deployment.Spec.Template
	for name, selector := range map[string]map[string]string{
		"Deployment":          c.deployment.Spec.Selector.MatchLabels,
		"Service":             c.service.Spec.Selector,
		"PodDisruptionBudget": c.budget.Spec.Selector.MatchLabels,
		"NetworkPolicy":       c.network.Spec.PodSelector.MatchLabels,
		"first spread":        pod.Spec.TopologySpreadConstraints[0].LabelSelector.MatchLabels,
		"second spread":       pod.Spec.TopologySpreadConstraints[1].LabelSelector.MatchLabels,
	} {
		if len(selector) == 0 || !maps.Equal(selector, pod.Labels) {
			t.Errorf("%s selects %v, the pods are %v", name, selector, pod.Labels)
		}
	}
	if pod.Spec.ServiceAccountName != c.account.Name {
		t.Errorf("service account %q", pod.Spec.ServiceAccountName)
	}
	// The server does not get the password of the role that owns the tables.
	for i, container := range []corev1.Container{pod.Spec.Containers[0], pod.Spec.InitContainers[0]} {
		var secrets []string
		for _, variable := range container.Env {
			if variable.ValueFrom == nil {
				continue
			}
			reference := variable.ValueFrom.SecretKeyRef
			secrets = append(secrets, reference.Name)
			if _, ok := c.secrets[i].StringData[reference.Key]; !ok {
				t.Errorf("%s takes %s from %s", container.Name, variable.Name, reference.Key)
			}
		}
		if !slices.Equal(secrets, []string{c.secrets[i].Name}) {
			t.Errorf("%s reads the secrets %v", container.Name, secrets)
		}
		if role := []string{"diga_server", "diga_owner"}[i]; !strings.HasPrefix(c.secrets[i].StringData["url"], "postgres://"+role+":") {
			t.Errorf("%s does not connect as %s", container.Name, role)
		}
	}
	if replicas, least := *c.deployment.Spec.Replicas, c.budget.Spec.MinAvailable.IntValue(); replicas < 2 || least < 1 || least >= int(replicas) {
		t.Errorf("%d replicas, of which %d have to stay: a node could not be drained, or none would be left", replicas, least)
	}
}

func TestKubernetesPorts(t *testing.T) {
	c, defaults := kubernetes(t), settings(t)
	server := c.deployment.Spec.Template.Spec.Containers[0]
	ports := make(map[string]string)
	for _, port := range server.Ports {
		ports[port.Name] = portText(port.ContainerPort)
	}
	env := environment(server)
	if ports["http"] != portOf(t, defaults["DIGA_ADDR"]) || ports["admin"] != portOf(t, env["DIGA_ADMIN_ADDR"]) {
		t.Errorf("ports %v, settings %v", ports, env)
	}
	if !strings.HasPrefix(env["DIGA_ADMIN_ADDR"], ":") {
		t.Errorf("the kubelet cannot reach probes on %s", env["DIGA_ADMIN_ADDR"])
	}
	named := []string{
		c.service.Spec.Ports[0].TargetPort.StrVal, c.service.Spec.Ports[1].TargetPort.StrVal, c.network.Spec.Ingress[0].Ports[0].Port.StrVal, c.network.Spec.Ingress[1].Ports[0].Port.StrVal,
		server.LivenessProbe.HTTPGet.Port.StrVal, server.ReadinessProbe.HTTPGet.Port.StrVal, server.StartupProbe.HTTPGet.Port.StrVal,
	}
	if want := []string{"http", "admin", "http", "admin", "admin", "admin", "admin"}; !slices.Equal(named, want) {
		t.Errorf("ports by name %v, want %v", named, want)
	}
	paths := []string{server.LivenessProbe.HTTPGet.Path, server.ReadinessProbe.HTTPGet.Path, server.StartupProbe.HTTPGet.Path}
	if want := []string{"/livez", "/readyz", "/livez"}; !slices.Equal(paths, want) {
		t.Errorf("probes ask %v, want %v", paths, want)
	}
}

func TestKubernetesStops(t *testing.T) {
	c := kubernetes(t)
	pod := c.deployment.Spec.Template.Spec
	env := environment(pod.Containers[0])
	if grace := time.Duration(*pod.TerminationGracePeriodSeconds) * time.Second; grace <= stopping(t, env) {
		t.Errorf("killed after %s, but stopping may take %s", grace, stopping(t, env))
	}
	probe := pod.Containers[0].ReadinessProbe
	delay, err := time.ParseDuration(settings(t)["DIGA_DRAIN_DELAY"])
	if err != nil {
		t.Fatal(err)
	}
	if noticed := time.Duration(probe.PeriodSeconds*probe.FailureThreshold) * time.Second; noticed >= delay {
		t.Errorf("draining is noticed after %s, when the server stops serving after %s", noticed, delay)
	}
}

func TestKubernetesConfines(t *testing.T) {
	c := kubernetes(t)
	pod := c.deployment.Spec.Template.Spec
	if *c.account.AutomountServiceAccountToken || *pod.AutomountServiceAccountToken {
		t.Error("the pod gets a token")
	}
	if !*pod.SecurityContext.RunAsNonRoot || *pod.SecurityContext.RunAsUser == 0 || pod.SecurityContext.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
		t.Errorf("the pod runs as %+v", pod.SecurityContext)
	}
	if len(pod.InitContainers) != 1 || len(pod.Containers) != 1 || !slices.Equal(pod.InitContainers[0].Args, []string{"migrate"}) ||
		!slices.Contains(pod.Containers[0].Args, "--migrate=false") {
		t.Errorf("the schema is migrated by others than the container before the server")
	}
	for _, container := range append(pod.InitContainers, pod.Containers...) {
		checkCommand(t, container.Args)
		confined := container.SecurityContext
		if *confined.AllowPrivilegeEscalation || !*confined.ReadOnlyRootFilesystem || !slices.Equal(confined.Capabilities.Drop, []corev1.Capability{"ALL"}) {
			t.Errorf("%s: %+v", container.Name, confined)
		}
		if container.Resources.Requests.Cpu().IsZero() || container.Resources.Requests.Memory().IsZero() || container.Resources.Limits.Memory().Value() < 128<<20 {
			t.Errorf("%s: %+v", container.Name, container.Resources)
		}
	}
}

func environment(container corev1.Container) map[string]string {
	values := make(map[string]string)
	for _, variable := range container.Env {
		values[variable.Name] = variable.Value
	}
	return values
}
