"""A small Hub: the addresses of the Hugging Face Hub that uploads and downloads of models use."""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_writer"
READER = "hf_reader"


@dataclass
class Repository:
    """A repository with its history.

    Attributes:
        commits: the files of each version, by the version's identifier, oldest first.
        refs: branches and tags.
        sizes: sizes that are claimed instead of the right ones.
    """

    private: bool = False
    gated: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)

    def commit(self, files: dict[str, bytes]) -> str:
        sha = hashlib.sha1(f"{len(self.commits)} {sorted(files)}".encode()).hexdigest()
        self.commits[sha] = {**self.files, **files}
        self.refs["main"] = sha
        return sha

    @property
    def files(self) -> dict[str, bytes]:
        return self.commits.get(self.refs.get("main", ""), {})


@dataclass
class Hub:
    """A Hub of one user, "user", whose token is TOKEN.

    Attributes:
        repos: by their names.
        requests: method and path of each request.
        status: of all answers, if it is not 0.
        before_commit: called once, when a commit arrives.
    """

    url: str = ""
    repos: dict[str, Repository] = field(default_factory=dict)
    uploads: dict[str, bytes] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    status: int = 0
    before_commit: Any = None

    def add(self, repo: str, files: dict[str, bytes], **attributes: Any) -> Repository:
        self.repos[repo] = Repository(**attributes)
        self.repos[repo].commit(files)
        return self.repos[repo]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def handle_any(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append(f"{self.command} {path}")
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.hub.status:
            self.answer(self.hub.status, {"error": "out of order"})
            return
        for pattern, action in _ROUTES:
            if (match := re.fullmatch(pattern, f"{self.command} {path}")) is not None:
                action(self, **match.groupdict())
                return
        self.answer(404, {"error": f"no such address: {path}"})

    do_GET = do_HEAD = do_POST = do_PUT = handle_any

    def answer(self, status: int, content: Any, headers: dict[str, str] | None = None) -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def refuse(self, status: int, code: str = "", message: str = "") -> None:
        headers = {"X-Error-Code": code, "X-Error-Message": message}
        self.answer(status, {"error": message or code}, {name: text for name, text in headers.items() if text})

    @property
    def token(self) -> str:
        return (self.headers.get("Authorization") or "").removeprefix("Bearer ")

    def find(self, repo: str, revision: str | None) -> tuple[Repository, str] | None:
        found = self.hub.repos.get(repo)
        if self.token not in ("", TOKEN, READER):
            self.refuse(401, "", "Invalid credentials in Authorization header")
        elif found is None or (found.private and self.token != TOKEN):
            self.refuse(404 if self.token else 401, "RepoNotFound", "Repository not found")
        elif found.gated and self.token != TOKEN:
            self.refuse(403, "GatedRepo", "Access to model is restricted.")
        else:
            sha = found.refs.get(revision or "main", revision or "")
            if sha in found.commits or revision is None:
                return found, sha
            self.refuse(404, "RevisionNotFound", "Invalid rev id")
        return None

    def info(self, repo: str, revision: str | None = None) -> None:
        if (found := self.find(repo, revision)) is None:
            return
        repository, sha = found
        files = [
            {"rfilename": name, "size": repository.sizes.get(name, len(data)), "blobId": "0"}
            for name, data in repository.commits.get(sha, {}).items()
        ]
        self.answer(200, {"id": repo, "modelId": repo, "sha": sha, "private": repository.private, "siblings": files})

    def resolve(self, repo: str, revision: str, file: str) -> None:
        if (found := self.find(repo, revision)) is None:
            return
        data = found[0].commits[found[1]].get(file)
        if data is None:
            self.refuse(404, "EntryNotFound", "Entry not found")
            return
        etag = f'"{hashlib.sha256(data).hexdigest()}"'
        self.answer(200, data, {"X-Repo-Commit": found[1], "ETag": etag})

    def create(self) -> None:
        asked = json.loads(self.body)
        name = f"{asked.get('organization') or 'user'}/{asked['name']}"
        if self.token != TOKEN or not name.startswith("user/"):
            self.refuse(403, "", f"You don't have the rights to create a model under the namespace of {name}")
            return
        private = asked.get("visibility") == "private" or bool(asked.get("private"))
        self.hub.add(name, {".gitattributes": b""}, private=private)
        self.answer(200, {"url": f"{self.hub.url}/{name}", "name": name, "id": "0"})

    def validate(self) -> None:
        self.answer(200, {"errors": [], "warnings": []})

    def preupload(self, repo: str, revision: str) -> None:
        if self.find(repo, revision) is None:
            return
        if self.token != TOKEN or not repo.startswith("user/"):
            self.refuse(403, "", "Authorization error.")
            return
        names = [file["path"] for file in json.loads(self.body)["files"]]
        modes = {name: "lfs" if name.endswith(".safetensors") else "regular" for name in names}
        self.answer(
            200, {"files": [{"path": name, "uploadMode": modes[name], "shouldIgnore": False} for name in names]}
        )

    def batch(self, repo: str) -> None:
        objects = [
            {**item, "actions": {"upload": {"href": f"{self.hub.url}/upload/{item['oid']}", "header": {}}}}
            for item in json.loads(self.body)["objects"]
        ]
        self.answer(200, {"transfer": "basic", "objects": objects})

    def upload(self, oid: str) -> None:
        assert hashlib.sha256(self.body).hexdigest() == oid
        self.hub.uploads[oid] = self.body
        self.answer(200, {})

    def commit(self, repo: str, revision: str) -> None:
        if self.hub.before_commit is not None:
            action, self.hub.before_commit = self.hub.before_commit, None
            action()
        if (found := self.find(repo, revision)) is None:
            return
        files = {}
        for line in self.body.splitlines():
            item = json.loads(line)
            value = item["value"]
            if item["key"] == "header" and value.get("parentCommit") not in (None, found[1]):
                self.refuse(412, "", "A commit has happened since. Please refresh and try again.")
                return
            if item["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif item["key"] == "lfsFile":
                files[value["path"]] = self.hub.uploads[value["oid"]]
        sha = found[0].commit(files)
        self.answer(200, {"success": True, "commitOid": sha, "commitUrl": f"{self.hub.url}/{repo}/commit/{sha}"})


_REPO = r"(?P<repo>[^/]+/[^/]+)"
_ROUTES = [
    (r"POST /api/repos/create", _Handler.create),
    (r"POST /api/validate-yaml", _Handler.validate),
    (rf"GET /api/models/{_REPO}", _Handler.info),
    (rf"GET /api/models/{_REPO}/revision/(?P<revision>.+)", _Handler.info),
    (rf"POST /api/models/{_REPO}/preupload/(?P<revision>.+)", _Handler.preupload),
    (rf"POST /api/models/{_REPO}/commit/(?P<revision>.+)", _Handler.commit),
    (rf"POST /{_REPO}\.git/info/lfs/objects/batch", _Handler.batch),
    (r"PUT /upload/(?P<oid>[0-9a-f]{64})", _Handler.upload),
    (rf"(?:GET|HEAD) /{_REPO}/resolve/(?P<revision>[^/]+)/(?P<file>.+)", _Handler.resolve),
]


@contextmanager
def serve() -> Iterator[Hub]:
    """Run a Hub on a free port of this machine."""
    hub = Hub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
