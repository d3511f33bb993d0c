"""The socket to a gateway, with a client that does what a test says, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import ccxt
import pytest

from ccxt_driver.exchange.stream_settings import StreamSettings
from ccxt_driver.exchange.streams.client import HandshakeRefused, closed_by_server
from ccxt_driver.exchange.streams.socket import GatewaySocket, SocketClosed
from tests.helpers.virtual_loop import run_virtually

pytestmark = pytest.mark.oldest

Frame = dict[str, Any]
URL = "ws://oms.test/ws"


def answering(frame: Frame) -> list[Frame]:
    """What a server does that is well."""
    return [{"id": frame["id"], "event": "answer", "payload": frame["payload"]}]


def refusing(code: str, message: str = "no") -> Callable[[Frame], list[Frame]]:
    payload = {"code": code, "message": message, "details": {}}
    return lambda frame: [{"id": frame["id"], "event": "error", "payload": payload}]


def silent(frame: Frame) -> list[Frame]:
    return []


class FakeClient:
    """One connection."""

    def __init__(
        self, gateway: Gateway, handle: Callable[[Frame], None], lost: Callable[[Any], None]
    ) -> None:
        self.gateway = gateway
        self.handle = handle
        self.lost: Callable[[Any], None] | None = lost
        self.isConnected = False
        self.heard_at = 0.0
        self.closed = False

    async def dial(self, session: Any) -> None:
        assert session == "the session"
        self.gateway.dialled.append(now())
        error = self.gateway.dial_error
        if error is not None:
            raise error() if callable(error) else error
        self.isConnected = True
        self.heard_at = now()

    async def send(self, frame: Frame) -> None:
        if not self.isConnected:
            raise ccxt.NetworkError("closed")
        self.gateway.sent.append((now(), frame))
        for answer in self.gateway.peer(frame):
            asyncio.get_running_loop().call_soon(self.give, answer)

    def give(self, frame: Frame) -> None:
        """A frame of the server."""
        if self.isConnected:
            self.heard_at = now()
            self.handle(frame)

    def end(self, reason: ccxt.NetworkError) -> None:
        lost, self.lost = self.lost, None
        self.isConnected = False
        if lost is not None:
            lost(reason)

    async def close(self) -> None:
        self.end(ccxt.NetworkError("closed"))
        self.closed = True


def now() -> float:
    return asyncio.get_running_loop().time()


class Gateway:
    """The exchange object of the socket, and what is behind it."""

    id = "oms"
    timeout = 10_000

    def __init__(self, api_key: str | None = "the-key") -> None:
        self.apiKey = api_key
        self.peer: Callable[[Frame], list[Frame]] = answering
        self.dial_error: Any = None
        self.dialled: list[float] = []
        self.sent: list[tuple[float, Frame]] = []
        self.clients: list[FakeClient] = []

    def make_client(self, url: str, handle: Any, lost: Any) -> FakeClient:
        assert url == URL
        self.clients.append(FakeClient(self, handle, lost))
        return self.clients[-1]

    def forget_client(self, url: str, client: FakeClient) -> None:
        assert client in self.clients

    def socket_session(self) -> str:
        return "the session"

    @property
    def client(self) -> FakeClient:
        return self.clients[-1]

    def actions(self) -> list[str]:
        return [str(frame["action"]) for _, frame in self.sent]


class Listener:
    """Notes everything."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Any]] = []
        self.at: list[float] = []
        self.up_error: Exception | None = None

    def _note(self, what: str, value: Any = None) -> None:
        self.heard.append((what, value))
        self.at.append(now())

    async def on_up(self) -> None:
        self._note("up")
        if self.up_error is not None:
            raise self.up_error

    def on_frame(self, frame: Frame) -> None:
        self._note("frame", frame)

    def on_down(self, error: ccxt.NetworkError) -> None:
        self._note("down", error)

    def on_outage(self, error: ccxt.NetworkError) -> None:
        self._note("outage", error)

    def on_failed(self, error: ccxt.BaseError) -> None:
        self._note("failed", error)

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.heard]

    def last(self, what: str) -> Any:
        return [value for name, value in self.heard if name == what][-1]


class Stage:
    """A socket, its gateway, who listens."""

    def __init__(self, settings: StreamSettings | None = None, api_key: str | None = "the-key") -> None:
        self.gateway = Gateway(api_key)
        self.listener = Listener()
        self.socket = GatewaySocket(self.gateway, URL, settings or StreamSettings())
        self.socket.add(self.listener)


Test = Callable[[Stage], Any]


def play(test: Test, settings: StreamSettings | None = None, api_key: str | None = "the-key") -> Stage:
    """Run a test with a socket; nothing of it is left at the end."""

    async def run() -> Stage:
        stage = Stage(settings, api_key)
        try:
            await test(stage)
        finally:
            await stage.socket.close()
        await asyncio.sleep(60)
        assert len(asyncio.all_tasks()) == 1
        assert all(client.closed for client in stage.gateway.clients)
        return stage

    return run_virtually(run())


# -- connecting ---------------------------------------------------------------------------------------


def test_it_signs_in_before_anything_else() -> None:
    async def test(stage: Stage) -> None:
        await stage.socket.ready()
        assert stage.socket.is_up
        [(_, frame)] = stage.gateway.sent
        assert (frame["namespace"], frame["action"]) == ("system", "auth")
        assert frame["payload"] == {"api_key": "the-key"}
        assert stage.listener.names == ["up"]
        await stage.socket.ready()
        assert len(stage.gateway.dialled) == 1

    play(test)


@pytest.mark.parametrize("api_key", [None, ""])
def test_without_a_key_it_does_not_sign_in(api_key: str | None) -> None:
    stage = play(lambda stage: stage.socket.ready(), api_key=api_key)
    assert stage.gateway.sent == []


def _closing_for_policy(stage: Stage) -> None:
    def close(frame: Frame) -> list[Frame]:
        stage.gateway.client.end(closed_by_server(URL, 1008, "invalid key"))
        return []

    stage.gateway.peer = close


def _refused_by(status: int) -> Callable[[Stage], None]:
    def refuse(stage: Stage) -> None:
        stage.gateway.dial_error = HandshakeRefused(f"HTTP {status}", status)

    return refuse


def _closed(stage: Stage) -> None:
    """As of an exchange object that is being closed."""
    stage.gateway.dial_error = ccxt.ExchangeClosedByUser("oms instance was closed by the user")


def _not_signed_in(stage: Stage) -> None:
    stage.gateway.peer = refusing("invalid_api_key")


@pytest.mark.parametrize(
    "refuse, kind",
    [
        (_closed, ccxt.ExchangeClosedByUser),
        (_not_signed_in, ccxt.AuthenticationError),
        (_closing_for_policy, ccxt.AuthenticationError),
        (_refused_by(401), ccxt.AuthenticationError),
        (_refused_by(403), SocketClosed),
        (_refused_by(404), SocketClosed),
        (_refused_by(501), SocketClosed),
    ],
)
def test_what_would_end_alike_is_not_tried_again_by_itself(
    refuse: Callable[[Stage], None], kind: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    async def test(stage: Stage) -> None:
        refuse(stage)
        with pytest.raises(kind):
            await stage.socket.ready()
        assert stage.listener.names == ["failed"]
        assert type(stage.listener.last("failed")) is kind
        await asyncio.sleep(3600)
        assert len(stage.gateway.dialled) == 1
        stage.gateway.dial_error, stage.gateway.peer = None, answering
        await stage.socket.ready()  # who asks again, tries again
        assert stage.socket.is_up

    play(test)
    assert caplog.text == ""


def test_a_key_that_is_disabled_later_is_told_at_once() -> None:
    async def test(stage: Stage) -> None:
        await stage.socket.ready()
        stage.gateway.peer = refusing("invalid_api_key")
        stage.gateway.client.end(closed_by_server(URL, 1008, "invalid key"))
        began = now()
        await asyncio.sleep(1)
        assert stage.listener.names == ["up", "down", "failed"]
        assert isinstance(stage.listener.last("failed"), ccxt.AuthenticationError)
        assert stage.listener.at[-1] - began <= 0.1

    play(test)


@pytest.mark.parametrize(
    "error, most",
    [
        (ccxt.ExchangeNotAvailable("refused"), 5.0),
        (HandshakeRefused("HTTP 503", 503), 5.0),
        (ccxt.RequestTimeout("x"), 5.0),
        (HandshakeRefused("HTTP 429", 429), 30.0),
    ],
)
def test_what_may_pass_is_tried_again_ever_more_slowly_and_not_by_all_at_once(
    error: Exception, most: float
) -> None:
    async def test(stage: Stage) -> None:
        stage.gateway.dial_error = error
        stage.socket.start()
        await asyncio.sleep(300)
        dialled = stage.gateway.dialled
        gaps = [later - earlier for earlier, later in pairwise(dialled)]
        for number, gap in enumerate(gaps):
            longest = min(0.1 * 2**number, most)
            assert longest / 2 <= gap <= longest, number
        assert len({gap / min(0.1 * 2**number, most) for number, gap in enumerate(gaps)}) > 5
        stage.gateway.dial_error = None
        await asyncio.sleep(most)
        assert stage.socket.is_up

    play(test)


def test_a_server_that_says_when_is_heard() -> None:
    async def test(stage: Stage) -> None:
        stage.gateway.dial_error = HandshakeRefused("HTTP 429", 429, retry_after=7.0)
        stage.socket.start()
        await asyncio.sleep(21.5)
        first, *others = stage.gateway.dialled
        assert [each - first for each in others] == pytest.approx([7, 14, 21])

    play(test)


def test_a_server_that_says_at_once_is_not_asked_without_a_pause() -> None:
    async def test(stage: Stage) -> None:
        def refuse() -> Exception:
            assert len(stage.gateway.dialled) < 100
            return HandshakeRefused("HTTP 503", 503, retry_after=0.0)

        stage.gateway.dial_error = refuse
        stage.socket.start()
        await asyncio.sleep(60)
        assert 5 < len(stage.gateway.dialled) < 30

    play(test)


def test_a_connection_that_there_was_is_not_given_up_for_a_proxy_that_knows_none() -> None:
    async def test(stage: Stage) -> None:
        await stage.socket.ready()
        stage.gateway.dial_error = HandshakeRefused("HTTP 404", 404)
        stage.gateway.client.end(ccxt.NetworkError("gone"))
        await asyncio.sleep(5)
        assert set(stage.listener.names) == {"up", "down"}
        stage.gateway.dial_error = None
        await stage.socket.ready()
        assert stage.listener.names[-1] == "up"

    play(test)


def test_another_key_is_signed_in_with_before_anything_is_asked() -> None:
    async def test(stage: Stage) -> None:
        await stage.socket.ready()
        stage.gateway.apiKey = "another"
        await stage.socket.ready()
        await stage.socket.ready()
        assert [frame["payload"] for _, frame in stage.gateway.sent] == [
            {"api_key": "the-key"},
            {"api_key": "another"},
        ]

    play(test)


def test_a_frame_that_the_other_side_does_not_read_is_not_waited_for_for_ever() -> None:
    async def test(stage: Stage) -> None:
        await stage.socket.ready()

        async def send(frame: Frame) -> None:
            await asyncio.Event().wait()

        stage.gateway.client.send = send  # type: ignore[method-assign]
        began = now()
        with pytest.raises(ccxt.RequestTimeout) as info:
            await stage.socket.ask("position", "command", {}, seconds=2)
        assert now() - began == pytest.approx(2)
        assert vars(info.value)["outcome"] == "unknown"

    play(test)


def test_a_call_waits_for_a_connection_as_long_as_an_outage_and_so_do_the_listeners() -> None:
    async def test(stage: Stage) -> None:
        stage.gateway.dial_error = ccxt.ExchangeNotAvailable("refused")
        began = now()
        with pytest.raises(ccxt.ExchangeNotAvailable):
            await stage.socket.ready()
        assert now() - began == pytest.approx(10)
        await asyncio.sleep(120)
        told = [
            at for name, at in zip(stage.listener.names, stage.listener.at, strict=True) if name == "outage"
        ]
        # Again and again: who was told has called again, and waits.
        assert [at - began for at in told] == pytest.approx([10.0 * number for number in range(1, 13)])

    play(test)


def test_an_outage_counts_from_the_loss_however_short_the_connection_was() -> None:
    async def test(stage: Stage) -> None:
        await stage.socket.ready()
        await asyncio.sleep(3)
        stage.gateway.dial_error = ccxt.ExchangeNotAvailable("refused")
        stage.gateway.client.end(ccxt.NetworkError("a cable"))
        lost = now()
        await asyncio.sleep(15)
        [told] = [
            at for name, at in zip(stage.listener.names, stage.listener.at, strict=True) if name == "outage"
        ]
        assert told - lost == pytest.approx(10)

    play(test)


def test_who_wants_it_does_not_wait_for_the_next_attempt() -> None:
    async def test(stage: Stage) -> None:
        await stage.socket.ready()
        stage.gateway.dial_error = ccxt.ExchangeNotAvailable("refused")
        stage.gateway.client.end(ccxt.NetworkError("a cable"))
        await asyncio.sleep(100)  # the pauses are 15 to 30 seconds by now
        stage.gateway.dial_error = None
        assert not await stage.socket.is_usable()  # an order is not held back for it
        await asyncio.sleep(1.1)
        assert await stage.socket.is_usable()

    play(test)


def test_wanted_all_the_time_it_is_tried_once_a_second() -> None:
    async def test(stage: Stage) -> None:
        await stage.socket.ready()
        stage.gateway.dial_error = ccxt.ExchangeNotAvailable("refused")
        stage.gateway.client.end(ccxt.NetworkError("a cable"))
        await asyncio.sleep(100)
        before = len(stage.gateway.dialled)
        for _ in range(100):
            stage.socket.hurry()
            await asyncio.sleep(0.1)
        assert 8 <= len(stage.gateway.dialled) - before <= 11

    play(test)


def test_a_cancelled_call_leaves_the_socket_alone() -> None:
    async def test(stage: Stage) -> None:
        stage.gateway.dial_error = ccxt.ExchangeNotAvailable("refused")
        waiting = asyncio.ensure_future(stage.socket.ready())
        await asyncio.sleep(0.05)
        waiting.cancel()
        await asyncio.wait({waiting})
        stage.gateway.dial_error = None
        await stage.socket.ready()

    play(test)


def test_a_fault_of_ours_is_told_and_not_repeated_for_ever(caplog: pytest.LogCaptureFixture) -> None:
    async def test(stage: Stage) -> None:
        stage.listener.up_error = ZeroDivisionError("a bug")
        with pytest.raises(ccxt.ExchangeError, match="a bug"):
            await stage.socket.ready()
        await asyncio.sleep(60)
        assert len(stage.gateway.dialled) == 1

    play(test)
    assert "ends by a fault" in caplog.text


# -- staying connected ----------------------------------------------------------------------------------


def test_it_pings_now_and_then() -> None:
    async def test(stage: Stage) -> None:
        await stage.socket.ready()
        began = now()
        await asyncio.sleep(10)
        pings = [at - began for at, frame in stage.gateway.sent if frame["action"] == "ping"]
        assert pings == pytest.approx([3, 6, 9])
        assert stage.socket.is_up

    play(test)


@pytest.mark.parametrize("after", [0.0, 0.1, 1.5, 2.9, 3.1, 5.9])
def test_a_dead_peer_is_noticed_when_the_settings_say_so(after: float) -> None:
    settings = StreamSettings()

    async def test(stage: Stage) -> None:
        await stage.socket.ready()
        await asyncio.sleep(after)
        heard_at = stage.gateway.client.heard_at
        stage.gateway.peer = lambda frame: answering(frame) if len(stage.gateway.clients) > 1 else []
        await asyncio.sleep(8)
        assert stage.listener.names == ["up", "down", "up"]
        silence = stage.listener.at[1] - heard_at
        assert silence == pytest.approx(settings.ping_interval + settings.ping_timeout, abs=0.01)
        assert isinstance(stage.listener.last("down"), ccxt.RequestTimeout)

    play(test)


def test_a_peer_that_sends_anything_is_alive() -> None:
    async def test(stage: Stage) -> None:
        await stage.socket.ready()
        stage.gateway.peer = silent
        for _ in range(20):
            await asyncio.sleep(2)
            stage.gateway.client.give({"id": None, "event": "order_updated", "payload": {}})
        assert stage.listener.names == ["up", *["frame"] * 20]

    play(test)


def test_a_peer_that_thinks_about_an_answer_is_left_alone() -> None:
    """A server that does one thing after the other answers no ping meanwhile."""

    async def test(stage: Stage) -> None:
        await stage.socket.ready()
        stage.gateway.peer = silent
        asked = asyncio.ensure_future(stage.socket.ask("position", "command", {}))
        await asyncio.sleep(9)
        stage.gateway.client.give({"id": stage.gateway.sent[1][1]["id"], "event": "x", "payload": 1})
        assert (await asked)["payload"] == 1
        assert stage.listener.names == ["up"]

    play(test)


def test_a_lost_connection_is_made_again_at_once_and_everyone_subscribes() -> None:
    async def test(stage: Stage) -> None:
        await stage.socket.ready()
        await asyncio.sleep(60)
        began = now()
        stage.gateway.client.end(closed_by_server(URL, 1001, "restart"))
        await asyncio.sleep(0.11)
        assert stage.socket.is_up
        assert stage.listener.names == ["up", "down", "up"]
        assert stage.gateway.dialled[1] - began <= 0.1
        assert stage.gateway.clients[0].closed

    play(test)


@pytest.mark.parametrize("how", ["closes", "refuses to subscribe"])
def test_a_server_that_drops_us_each_time_is_not_stormed(how: str) -> None:
    """It lets us in, and then drops us: that is no connection that stood."""

    async def test(stage: Stage) -> None:
        if how == "closes":
            make = stage.gateway.make_client

            def make_short_lived(*args: Any) -> FakeClient:
                client = make(*args)
                gone = closed_by_server(URL, 1011, "")
                asyncio.get_running_loop().call_later(0.01, client.end, gone)
                return client

            stage.gateway.make_client = make_short_lived  # type: ignore[method-assign]
        else:
            stage.listener.up_error = ccxt.NetworkError("lost")
        stage.socket.start()
        await asyncio.sleep(300)
        assert 10 < len(stage.gateway.dialled) < 130

    play(test)


def test_after_a_connection_that_stood_the_pauses_begin_anew() -> None:
    async def test(stage: Stage) -> None:
        stage.gateway.dial_error = ccxt.ExchangeNotAvailable("refused")
        stage.socket.start()
        await asyncio.sleep(100)
        stage.gateway.dial_error = None
        await asyncio.sleep(100)
        for _ in range(3):
            count = len(stage.gateway.dialled)
            stage.gateway.client.end(ccxt.NetworkError("gone"))
            await asyncio.sleep(0.11)
            assert len(stage.gateway.dialled) == count + 1
            await asyncio.sleep(20)

    play(test)


def test_who_waits_is_not_silent_for_long_while_the_server_is_up() -> None:
    """A server that goes again and again, each time for some seconds, and soon after it was found."""

    async def test(stage: Stage) -> None:
        stage.socket.start()
        silent_for = []
        for stood in (60, 1.4, 0.3, 1.2, 2, 5):
            await asyncio.sleep(stood)
            stage.gateway.dial_error = ccxt.ExchangeNotAvailable("refused")
            if stage.gateway.client is not None:
                stage.gateway.client.end(ccxt.NetworkError("gone"))
            await asyncio.sleep(7)
            stage.gateway.dial_error = None
            back_at = now()
            await stage.socket.ready()
            silent_for.append(now() - back_at)
        assert max(silent_for) <= StreamSettings().backoff_most + 0.1

        before = len(stage.gateway.dialled)
        for _ in range(20):
            await asyncio.sleep(1.5)
            stage.gateway.client.end(ccxt.NetworkError("cut"))
        assert len(stage.gateway.dialled) - before >= 19

    play(test)


def test_what_cannot_be_right_gives_the_connection_up() -> None:
    async def test(stage: Stage) -> None:
        stage.socket.drop("before there is any")
        await stage.socket.ready()
        stage.socket.drop("events are missing")
        await asyncio.sleep(1)
        assert stage.listener.names == ["up", "down", "up"]
        assert "events are missing" in str(stage.listener.last("down"))

    play(test)


# -- asking ---------------------------------------------------------------------------------------------


def test_answers_come_to_those_who_asked_whatever_their_order() -> None:
    async def test(stage: Stage) -> None:
        await stage.socket.ready()
        held: list[Frame] = []
        stage.gateway.peer = lambda frame: held.extend(answering(frame)) or []  # type: ignore[func-returns-value]
        asked = [asyncio.ensure_future(stage.socket.ask("position", "query", {"n": n})) for n in range(3)]
        await asyncio.sleep(0.1)
        for answer in reversed(held):
            stage.gateway.client.give(answer)
        assert [(await each)["payload"]["n"] for each in asked] == [0, 1, 2]

    play(test)


def test_an_answer_of_several_frames() -> None:
    async def test(stage: Stage) -> None:
        await stage.socket.ready()
        frames: list[Any] = []
        stage.gateway.peer = lambda frame: [
            {"id": frame["id"], "event": event, "payload": {}} for event in ("subscribed", "rows", "done")
        ]
        answer = await stage.socket.ask(
            "position",
            "subscribe",
            {},
            last=frozenset({"done"}),
            each=lambda frame: frames.append(frame["event"]),
        )
        assert answer["event"] == "done"
        assert frames == ["subscribed", "rows", "done"]

    play(test)


def test_a_refusal_is_raised_as_from_http() -> None:
    async def test(stage: Stage) -> None:
        await stage.socket.ready()
        stage.gateway.peer = refusing("insufficient_funds", "too poor")
        with pytest.raises(ccxt.InsufficientFunds, match="too poor") as info:
            await stage.socket.ask("position", "command", {"command": "send_order"})
        assert (info.value.code, info.value.outcome) == ("insufficient_funds", "refused")
        assert stage.socket.is_up

    play(test)


def test_what_is_refused_without_an_object_is_raised_too() -> None:
    async def test(stage: Stage) -> None:
        await stage.socket.ready()
        stage.gateway.peer = lambda frame: [{"id": frame["id"], "event": "error", "payload": "what?"}]
        with pytest.raises(ccxt.ExchangeError, match="what"):
            await stage.socket.ask("position", "query", {})

    play(test)


def test_without_a_connection_nothing_is_sent() -> None:
    async def test(stage: Stage) -> None:
        with pytest.raises(ccxt.NetworkError) as info:
            await stage.socket.ask("position", "command", {})
        assert info.value.outcome == "not_sent"
        await stage.socket.ready()
        stage.gateway.client.end(ccxt.NetworkError("gone"))
        with pytest.raises(ccxt.NetworkError) as info:
            await stage.socket.ask("position", "command", {})
        assert info.value.outcome == "not_sent"
        assert stage.gateway.actions() == ["auth"]

    play(test)


def test_of_what_was_sent_on_a_connection_that_broke_nothing_is_known() -> None:
    async def test(stage: Stage) -> None:
        await stage.socket.ready()
        stage.gateway.peer = silent
        asked = [asyncio.ensure_future(stage.socket.ask("position", "command", {})) for _ in range(2)]
        await asyncio.sleep(0.1)
        stage.gateway.client.end(ccxt.NetworkError("a cable"))
        for each in asked:
            with pytest.raises(ccxt.RequestTimeout, match="a cable") as info:
                await each
            assert info.value.outcome == "unknown"
        stage.gateway.peer = answering
        await asyncio.sleep(1)
        assert stage.gateway.actions() == ["auth", "command", "command", "auth"]  # none of them twice

    play(test)


def test_an_answer_that_does_not_come_in_time() -> None:
    async def test(stage: Stage) -> None:
        await stage.socket.ready()
        stage.gateway.peer = lambda frame: [] if frame["action"] == "command" else answering(frame)
        began = now()
        with pytest.raises(ccxt.RequestTimeout, match="no answer in 10") as info:
            await stage.socket.ask("position", "command", {})
        assert info.value.outcome == "unknown"
        assert now() - began == pytest.approx(10)
        await asyncio.sleep(1)
        assert stage.listener.names == ["up"]  # what else is under way on the connection goes on

    play(test)


def test_late_answers_and_answers_to_nobody_are_no_news() -> None:
    async def test(stage: Stage) -> None:
        await stage.socket.ready()
        stage.gateway.peer = silent
        asked = asyncio.ensure_future(stage.socket.ask("position", "command", {}))
        await asyncio.sleep(0.1)
        asked.cancel()
        await asyncio.wait({asked})
        number = stage.gateway.sent[-1][1]["id"]
        for frame in (
            {"id": number, "event": "x"},
            {"id": "ping", "event": "pong"},
            {"id": 99},
            {"id": True},
        ):
            stage.gateway.client.give(frame)
        assert stage.listener.names == ["up"]
        stage.gateway.client.give({"id": None, "event": "order_updated"})
        stage.gateway.client.give({"event": "order_updated"})
        assert stage.listener.names == ["up", "frame", "frame"]

    play(test)


def test_a_nudge_is_sent_and_not_waited_for() -> None:
    async def test(stage: Stage) -> None:
        stage.socket.nudge()
        await stage.socket.ready()
        stage.socket.nudge()
        await asyncio.sleep(0.1)
        [frame] = [frame for _, frame in stage.gateway.sent if frame["action"] == "nudge"]
        assert (frame["id"], frame["namespace"]) == (None, "position")

    play(test)


def test_closing_tells_who_waits() -> None:
    async def test(stage: Stage) -> None:
        await stage.socket.ready()
        stage.gateway.peer = silent
        asked = asyncio.ensure_future(stage.socket.ask("position", "command", {}))
        await asyncio.sleep(0.1)
        await stage.socket.close()
        with pytest.raises(ccxt.RequestTimeout) as info:
            await asked
        assert info.value.outcome == "unknown"
        assert not stage.socket.is_up

    play(test)
