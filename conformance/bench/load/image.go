package main

import (
	"encoding/json"
	"fmt"
)

const (
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	configType   = "application/vnd.oci.image.config.v1+json"
	layerType    = "application/vnd.oci.image.layer.v1.tar+gzip"
	emptyType    = "application/vnd.oci.empty.v1+json"
)

// Descriptor names content.
type Descriptor struct {
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest"`
	Size      int64  `json:"size"`
}

type manifest struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	ArtifactType  string            `json:"artifactType,omitempty"`
	Config        Descriptor        `json:"config"`
	Layers        []Descriptor      `json:"layers"`
	Subject       *Descriptor       `json:"subject,omitempty"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

// Image is one that nobody has pushed before, pushed as docker does: HEAD, POST, PATCH and PUT for each layer and for
// the config, then the manifest by a tag.
type Image struct {
	Repository string
	Layer      int64 // size of each
	Layers     int
	content    *content
}

func (i *Image) run(c *client) error {
	image := manifest{SchemaVersion: 2, MediaType: manifestType}
	var ids []string
	for n := 0; n < i.Layers; n++ {
		tail, digest := i.content.unique(c)
		if err := i.blob(c, i.content, tail, digest); err != nil {
			return err
		}
		image.Layers = append(image.Layers, Descriptor{layerType, digest, i.Layer})
		ids = append(ids, digest)
	}
	config, err := json.Marshal(map[string]any{
		"architecture": "amd64", "os": "linux", "config": map[string]any{"Cmd": []string{"/bin/sh"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": ids},
	})
	if err != nil {
		return err
	}
	image.Config = Descriptor{configType, digestOf(config), int64(len(config))}
	if err := i.blob(c, &content{}, config, image.Config.Digest); err != nil {
		return err
	}
	return c.manifest(i.Repository, fmt.Sprintf("c%d-%d", c.number, c.count), &image)
}

func (i *Image) blob(c *client, body *content, tail []byte, digest string) error {
	path := "/v2/" + i.Repository + "/blobs/" + digest
	got, err := c.send("HEAD", path, "")
	if err != nil {
		return err
	}
	if got.status != 404 {
		return unexpected("HEAD", path, got)
	}
	location, err := c.open(i.Repository)
	if err != nil {
		return err
	}
	if location, err = c.stream(location, body, tail); err != nil {
		return err
	}
	return c.finish(i.Repository, location, digest, int64(len(body.body)+len(tail)))
}

// Referrer is a manifest that nobody has pushed before, with a subject.
type Referrer struct {
	Repository string
	Subject    Descriptor
	Config     Descriptor
}

func (r *Referrer) run(c *client) error {
	c.count++
	return c.manifest(r.Repository, "", &manifest{
		SchemaVersion: 2, MediaType: manifestType, ArtifactType: "application/vnd.example.signature",
		Config: r.Config, Layers: []Descriptor{r.Config}, Subject: &r.Subject,
		Annotations: map[string]string{"org.example.number": fmt.Sprintf("%d-%d", c.number, c.count)},
	})
}

// manifest pushes one by a tag, or without one by its digest.
func (c *client) manifest(repository, tag string, made *manifest) error {
	data, err := json.Marshal(made)
	if err != nil {
		return err
	}
	digest := digestOf(data)
	if tag == "" {
		tag = digest
	}
	path := "/v2/" + repository + "/manifests/" + tag
	got, err := c.send("PUT", path, "Content-Type: "+manifestType+"\r\n", data)
	if err != nil {
		return err
	}
	if got.status != 201 {
		return unexpected("PUT", path, got)
	}
	c.pushed = append(c.pushed, pushed{path, "Accept: " + manifestType + "\r\n", digest, int64(len(data))})
	return nil
}
