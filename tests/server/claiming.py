"""Workers elsewhere as plain HTTP, and the jobs that they claim: see ``holdtests/claims.py``."""

import requests
import time


class Far:
    """A worker elsewhere."""

    def __init__(self, server):
        self.server = server
        told = server.post("@@claims-prepare").json()
        self.id, self.token = told["id"], told["token"]

    def claim(self, **body):
        return self._post(f"{self.server.site}/@jobs/claim", self.token, body)

    def act(self, claimed, what, body=None):
        return self._post(claimed["links"][what], claimed["claim"], body or {})

    def _post(self, url, token, body):
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        for _ in range(5):
            answer = requests.post(url, json=body, headers=headers, timeout=120)
            if answer.status_code < 500:
                break
            time.sleep(0.2)  # too many conflicts: a worker asks again
        return answer


def submit(server, *names, **form):
    answer = server.post("@@claims-submit", data={"names": " ".join(names), **form})
    answer.raise_for_status()
    return answer.json()


def look(server):
    return server.get("@@claims-look").json()
