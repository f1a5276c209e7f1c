"""The phrases of `generic` in Chinese: hosts and gateways in China answer in it, with codes of their own.

`generic` asks these rows first. Rows that only one provider needs are not here.
"""

from __future__ import annotations

from ..failures import ErrorKind
from .rules import Phrase, phrase

__all__ = ["CHINESE"]

_K = ErrorKind

CHINESE: tuple[Phrase, ...] = (
    phrase(_K.INSUFFICIENT_FUNDS, r"额度不足|额度.{0,8}(用尽|失败)|余额不足|欠费|账户.{0,8}充值"),
    phrase(_K.MODEL_NOT_FOUND, r"模型.{0,24}(不存在|未开通|已下线|无可用渠道)|下对于模型"),
    phrase(_K.PROVIDER_OVERLOADED, r"负载.{0,8}饱和|(系统|服务|模型).{0,6}(繁忙|过载)|访问量过大"),
    phrase(
        _K.AUTHENTICATION,
        r"无效的?.{0,6}(令牌|密钥|key|token)|(令牌|密钥|token).{0,6}(无效|过期|失效|不存在)|(鉴权|身份验证)失败|未授权",
    ),
    phrase(_K.PERMISSION_DENIED, r"没有权限|无权(限|访问)"),
    phrase(_K.CONTENT_FILTERED, r"不安全或敏感|敏感(内容|信息|词)|违规内容|内容.{0,6}(违规|不合规)|\bnew_sensitive\b"),
    phrase(_K.RATE_LIMITED, r"(请求|调用).{0,6}(过于频繁|太频繁|超限)|速率限制|限流"),
)
