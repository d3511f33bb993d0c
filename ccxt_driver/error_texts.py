"""ccxt's class of an error whose class a gateway has lost: read from what is left, its text.

The first line of the table that fits decides. What sounds like a lost connection stands before what
sounds like a refusal: in doubt a command's outcome is unknown, never "refused".
"""

from __future__ import annotations

import re
from typing import Final

import ccxt

_TABLE: Final[tuple[tuple[str, type[ccxt.BaseError]], ...]] = (
    # Nobody knows what became of the request.
    (r"time[sd]?[ _-]?out|deadline[ _-]?exceeded|^\S+ (get|post|put|patch|delete)\s*$", ccxt.RequestTimeout),
    (
        r"(status|outcome) (is )?unknown|may have been|unexpected response|cancel-?replace|\"cancelresult\""
        r"|replace_create_failed",
        ccxt.RequestTimeout,
    ),
    (r"^\S+ (get|post|put|patch|delete)\s+(418|429)\b", ccxt.RateLimitExceeded),  # also with a page
    (r"^\S+ (get|post|put|patch|delete)\s+5\d\d|<html|<!doctype", ccxt.ExchangeNotAvailable),
    (
        r"mysql|database|connection (refused|reset|aborted|closed)|cannot connect|disconnected"
        r"|(service|temporarily|currently) unavailable|bad gateway",
        ccxt.ExchangeNotAvailable,
    ),
    # The gateway's own words.
    (r"no orders cancell?ed|no open orders to cancel", ccxt.InvalidOrder),
    (r"requires (two|opposite) positions|close_by qty", ccxt.BadRequest),
    (r"unsupported ccxt method|\(\) is not supported|not supported yet", ccxt.NotSupported),
    # The venue did not look at the request.
    (r"maintenance|cancel[ _-]only mode", ccxt.OnMaintenance),
    (
        r"too[ _-]?many.{0,20}request|requests? (too many|over limit)|rate[ _-]?limit|request weight used"
        r"|too many new orders|too[ _-]?(frequent|fast\b)|(access|request) frequency|throttle queue"
        r"|frequency[ -](limit|protection|of requests)|api[ _]?limit[ _]?exceeded|banned until"
        r"|temporary lockout|i'm a teapot",
        ccxt.RateLimitExceeded,
    ),
    (r"overload|throttled|server (is )?busy|system (is )?busy", ccxt.ExchangeNotAvailable),
    (r"recv[ _-]?window|invalid nonce|timestamp for this request", ccxt.InvalidNonce),
    (r"insufficient (permission|privilege|scope)|permission[ _-]denied|not permitted", ccxt.PermissionDenied),
    (
        r"(invalid|wrong|expired|unknown)[ _-](api|signature|access)[ _-]?key|invalid[ _-]signature"
        r"|api[ _-]?key.{0,20}(invalid|expired|not exist)|unauthori[sz]ed",
        ccxt.AuthenticationError,
    ),
    (r"account .{0,30}(blocked|suspended|frozen|disabled|locked)", ccxt.AccountSuspended),
    # The venue refused it.
    (
        r"insufficient(?!.{0,3}(liquidity|depth))|(not|n't)[ _-](have[ _-])?enough|balance[ _-]not[ _-]enough"
        r"|exceeds? (the )?(available )?balance",
        ccxt.InsufficientFunds,
    ),
    (r"duplicate.{0,30}(order|client)|client.{0,20}(duplicate|already exist)", ccxt.DuplicateOrderId),
    (
        r"immediately (match|trigger|fill)|would (be (a )?taker|take|cross|match)|poc_(fill_)?immediate"
        r"|post[ _-]?only.{0,40}(taker|match|cross|immediate)",
        ccxt.OrderImmediatelyFillable,
    ),
    (
        r"(unknown|no such)[ _-]order|order[ _-]?(id )?(was |is )?(not[ _-]?(found|exist)|unknown)"
        r"|order .{0,60}(not[ _-](found|exist)|does(n't| not) exist|is unknown)",
        ccxt.OrderNotFound,
    ),
    (
        r"market (is )?(currently )?closed|trading (is )?(halted|suspended|closed)|not open for trading",
        ccxt.MarketClosed,
    ),
    (
        r"does not have market symbol|symbol[ _-]?(is )?(invalid|not[ _-]?found|unknown)"
        r"|(invalid|unknown|unsupported|no such)[ _-](trading )?(symbol|market|pair|instrument|currency)",
        ccxt.BadSymbol,
    ),
    (
        r"min[ _-]?notional|lot[ _-]?size|tick[ _-]?size|price[ _-]?filter|no position.{0,20}reduce"
        r"|reduce[ _-]?only.{0,30}(reject|not|invalid|would|must|fail)"
        r"|(minimum|maximum).{0,30}(amount|quantity|qty|size|price|notional|value|cost|leverage)"
        r"|(amount|quantity|qty|size|price|notional|value|cost).{0,40}(minimum|maximum)"
        r"|invalid[ _-]((trigger|stop|limit)[ _-]?)?(quantity|qty|amount|price|size|order|leverage|side|type)"
        r"|(amount|quantity|qty|size|price|notional|value|cost).{0,40}"
        r"(precision|must be|should be|greater|less|larger|smaller|exceed|too |invalid|out of|below|above)"
        r"|requires a price|order.{0,30}(rejected|already (closed|filled|cancell?ed))"
        r"|\border \S{1,60} is (filled|cancell?ed|closed|expired)"
        r"|(invalid|illegal|unsupported|unknown)[ _-]order[ _-]?type|valid order type"
        r"|order[ _-]?type.{0,40}(invalid|not (valid|supported|allowed)|unsupported|expected|must be)",
        ccxt.InvalidOrder,
    ),
    (r"requires? an? .{0,40}argument", ccxt.ArgumentsRequired),
    (r"(invalid|illegal|mandatory|missing|malformed)[ _-].{0,30}(parameter|argument|field)", ccxt.BadRequest),
)
_COMPILED: Final = tuple((re.compile(pattern, re.IGNORECASE), kind) for pattern, kind in _TABLE)
_URL: Final = re.compile(r"https?://\S*")
_MOST_READ: Final = 2000


def class_of_text(text: str) -> type[ccxt.BaseError] | None:
    """The class that a text speaks of.

    :param text: of an exception, as a gateway passed it on
    :returns: None when the table knows no such text
    """
    read = _URL.sub("", text[:_MOST_READ])  # the parameters of an order may be in it
    return next((kind for pattern, kind in _COMPILED if pattern.search(read)), None)
