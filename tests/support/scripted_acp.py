"""An agent of the Agent Client Protocol that does what a script says: `scripted_acp.py SCRIPT LOG`.

It imports only a few modules, so its start costs little. SCRIPT is a JSON list of steps, each a
list of a word and its values. LOG gets each line that it reads.

- `serve CAPABILITIES RESULTS`: answer requests until a prompt comes; RESULTS are by method
- `await METHOD`: read until a message of this method comes, or until the end of input
- `update FIELDS`, `ask PARAMS METHOD`, `tell MESSAGE`: send an update, a request (by default for
  permission) and wait for its answer, or any message
- `done RESULT`, `fail ERROR PLACE`: answer the oldest open prompt, or the one at PLACE
- `write TEXT`, `flood COUNT TEXT`, `note TEXT`: write to stdout, often, or to stderr
- `pause SECONDS`: so that a kill can hit any moment
- `report VARIABLE`: say the arguments of the program and a variable, as JSON
- `call TOOL ARGUMENTS`: call a tool of the last MCP server that it was given, and say the answer
- `linger`: read until the end of input, and stay
- `die NUMBER`: end by a signal
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time

if False:  # costs its start nothing
    from typing import Any, TextIO

SESSION = "conversation-1"


class Agent:
    def __init__(self, steps: list[list[Any]], log: TextIO) -> None:
        self._steps = steps
        self._log = log
        self._prompts: list[Any] = []
        self._servers: list[Any] = []
        self._asked = 0

    def run(self) -> None:
        for word, *values in self._steps:
            getattr(self, f"do_{word}")(*values)

    def read(self) -> dict[str, Any] | None:
        line = sys.stdin.readline()
        if not line:
            return None
        self._log.write(line)
        self._log.flush()
        message: dict[str, Any] = json.loads(line)
        if message.get("method") == "session/prompt":
            self._prompts.append(message["id"])
        self._servers = message.get("params", {}).get("mcpServers", self._servers)
        return message

    def send(self, **message: Any) -> None:
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        sys.stdout.flush()

    def do_serve(self, capabilities: Any = None, results: Any = None) -> None:
        answers: dict[str, Any] = {
            "initialize": {"protocolVersion": 1, "agentCapabilities": capabilities or {}},
            "session/new": {"sessionId": SESSION},
            **(results or {}),
        }
        while (message := self.read()) is not None:
            if message.get("method") == "session/prompt":
                return
            if "id" in message:
                answer = answers.get(message["method"], {})
                for update in answer.pop("before", ()):
                    self.do_update(update)
                told = {"error": answer["error"]} if "error" in answer else {"result": answer}
                self.send(id=message["id"], **told)
        sys.exit()

    def do_await(self, method: str) -> None:
        while (message := self.read()) is not None and message.get("method") != method:
            pass

    def do_update(self, fields: Any, session: str = SESSION) -> None:
        self.send(method="session/update", params={"sessionId": session, "update": fields})

    def do_ask(self, params: Any, method: str = "session/request_permission") -> None:
        self._asked += 1
        number = f"ask-{self._asked}"
        params = {"sessionId": SESSION, **params}
        self.send(id=number, method=method, params=params)
        while (message := self.read()) is not None and message.get("id") != number:
            pass

    def do_tell(self, message: Any) -> None:
        self.send(**message)

    def do_done(self, result: Any) -> None:
        self.send(id=self._prompts.pop(0), result=result)

    def do_fail(self, error: Any, place: int = 0) -> None:
        self.send(id=self._prompts.pop(place), error=error)

    def do_write(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()

    def do_flood(self, count: int, text: str) -> None:
        for _ in range(count):
            sys.stdout.write(text)
        sys.stdout.flush()

    def do_note(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()

    def do_pause(self, seconds: float) -> None:
        time.sleep(seconds)

    def do_report(self, variable: str) -> None:
        self.say(json.dumps({"arguments": sys.argv, "value": os.environ.get(variable)}))

    def do_call(self, tool: str, arguments: Any) -> None:
        params = {"name": tool, "arguments": arguments}
        request = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
        server = self._servers[-1]
        call = over_http if server.get("type") == "http" else over_stdio
        self.say(call(server, request))

    def say(self, text: str) -> None:
        content = {"type": "text", "text": text}
        update = {"sessionUpdate": "agent_message_chunk", "messageId": "said", "content": content}
        self.do_update(update)

    def do_linger(self) -> None:
        while self.read() is not None:
            pass
        signal.pause()

    def do_die(self, number: int) -> None:
        os.kill(os.getpid(), number)


def over_http(server: Any, request: str) -> str:
    """Return the text of a tool's answer; the last line of a stream has it."""
    from urllib.request import Request, urlopen

    headers = {each["name"]: each["value"] for each in server["headers"]}
    headers["Accept"] = "application/json, text/event-stream"
    headers["Content-Type"] = "application/json"
    with urlopen(Request(server["url"], request.encode(), headers)) as answer:
        lines = [line for line in answer.read().decode().splitlines() if "{" in line]
    return text_in(lines[-1].removeprefix("data: "))


def over_stdio(server: Any, request: str) -> str:
    """Start the server in the current directory with the given variables and no others."""
    from subprocess import PIPE, Popen

    command = [server["command"], *server["args"]]
    variables = {each["name"]: each["value"] for each in server["env"]}
    with Popen(command, stdin=PIPE, stdout=PIPE, env=variables, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(request + "\n")
        process.stdin.flush()
        answer = process.stdout.readline()
        process.stdin.close()  # not before: it ends a wait
    return text_in(answer)


def text_in(answer: str) -> str:
    text: str = json.loads(answer)["result"]["content"][0]["text"]
    return text


if __name__ == "__main__":
    with open(sys.argv[1]) as script, open(sys.argv[2], "a") as log:  # noqa: PTH123  # no pathlib
        agent = Agent(json.load(script), log)
        agent.run()
        while agent.read() is not None:
            pass
