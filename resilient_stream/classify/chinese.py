"""Lists the phrases of `generic` in Chinese: hosts and gateways in China answer in it, with codes of their own.

`generic` asks these rows first. They are families like those of `families`: what is spoken of, and what is said of it.
Rows that only one provider needs are not here.
"""

from __future__ import annotations

from ..failures import ErrorKind
from .rules import Phrase, near, phrase

__all__ = ["CHINESE"]

_K = ErrorKind

_PERIOD = r"今日|今天|当日|每日|每天|单日|本月|当月|每月|本周|每周|24 ?小时|明天"
_OVER = r"超出|超过|超限|超长|过长|太长|大于|上限"
_USED_UP = r"不足|不够|用尽|用完|耗尽|透支|为负|为0|失败"
_KEY = r"令牌|密钥|秘钥|凭证|api[ _-]?key|token|签名|\bkey\b"
_TEXT = r"输入|上下文|提示词|prompt|对话|消息|文本|内容|问题"

_ROWS: tuple[Phrase, ...] = (
    phrase(
        _K.QUOTA_EXHAUSTED,
        near(_PERIOD, rf"{_USED_UP}|上限|超出|超过|超限|已达|限额|配额|次数", within=10, edge=""),
        r"(配额|调用次数|使用次数).{0,8}(用尽|用完|耗尽)|小时.{0,6}(使用|用量)?上限|使用上限.{0,40}重置",
    ),
    phrase(
        _K.INSUFFICIENT_FUNDS,
        near(r"额度|余额|费用|点数|积分|资源包|credits?", _USED_UP, within=8, edge=""),
        r"欠费|请.{0,6}(充值|续费|付费)|账[户号].{0,8}充值|套餐.{0,8}(到期|过期|用完|用尽)",
    ),
    phrase(
        _K.PERMISSION_DENIED,
        near(
            r"套餐|分组|账[户号]|用户|地区|区域|国家|\bip\b|组织|白名单",
            r"不支持|无权|封禁|禁用|冻结|停用|受限|不在|未开放",
            within=14,
            edge="",
        ),
        r"没有.{0,8}权限|无权(限|访问|使用|调用)|权限不足|禁止访问|实名认证|访问被拒绝",
        unless=r"不存在或",
    ),
    phrase(
        _K.CONTENT_FILTERED,
        r"不安全或敏感|敏感(内容|信息|词)|违规|不合规|违法|色情|涉黄|涉政|内容安全|风控|审核.{0,4}(未|不|失败|拒绝)",
    ),
    phrase(
        _K.RATE_LIMITED,
        near(
            r"请求|调用|访问|频率|并发|速率|[qrt]p[ms]|限额",
            r"频繁|过快|太快|过高|过多|太多|超限|超出|超过|上限|限制",
            within=8,
            edge="",
        ),
        r"限流|限速|频繁",
        unless=r"请求(体|大小|参数)|长度|访问量|权限",
        statuses=(0, 400, 403, 429, 500, 503),
    ),
    phrase(
        _K.UNSUPPORTED_FEATURE,
        r"不支持.{0,10}(函数|工具|图片|图像|视觉|音频|视频|流式|思考|推理|json|联网|多模态|文件|功能)|(函数|工具|图片|流式|思考|功能).{0,10}不支持",
        unless="格式|类型",
    ),
    phrase(
        _K.MODEL_NOT_FOUND,
        r"模型.{0,30}?(不存在|未找到|找不到|未开通|已?下线|无可用渠道|不可用|错误|无效|未部署|已?弃用|停用)|下对于模型",
        r"(不支持|未知|无效|找不到|没有|不存在).{0,6}(模型|渠道)",
        unless="繁忙|过载|饱和|过高|超时",
    ),
    phrase(_K.MODEL_LOADING, r"(模型|服务|实例).{0,8}(加载|启动|初始化|准备|部署)中"),
    phrase(
        _K.PROVIDER_OVERLOADED,
        r"(系统|服务器?|模型|负载|算力|资源|引擎|节点|通道|网络).{0,8}(繁忙|过载|饱和|过高|紧张|拥挤|忙碌|拥堵|不足)",
        r"访问量过大|服务(暂时|暂)?不可用|(维护|升级)中|暂无可用|无可用(渠道|节点|账号)",
    ),
    phrase(
        _K.AUTHENTICATION,
        near(
            _KEY,
            r"无效|错误|不正确|非法|过期|失效|不存在|不可用|禁用|缺失|缺少|未提供|为空|不合法|有误",
            within=8,
            edge="",
        ),
        r"(鉴权|身份验证|认证|验签|验证).{0,4}失败|未授权|未登录|请.{0,4}登录",
        unless=r"tokens?.{0,8}(数|长度|参数)|参数",
    ),
    phrase(
        _K.REQUEST_TOO_LARGE,
        r"(请求体|文件|图片|图像|视频|音频|附件|请求).{0,8}(过大|太大|大小超|体积超|超过.{0,8}[kmg]b)",
    ),
    phrase(
        _K.CONTEXT_LENGTH_EXCEEDED,
        rf"(?:{_TEXT}).{{0,6}}(过长|超长|太长)",
        rf"(?:{_TEXT}|tokens?).{{0,8}}(长度|窗口|tokens?|总数|数量).{{0,12}}(?:{_OVER})|(?:{_OVER}).{{0,12}}(上下文|最大长度|最大输入|"
        rf"tokens?)",
        unless=r"每分钟|字段|名称",
    ),
    phrase(_K.STREAM_INTERRUPTED, r"流.{0,4}(读取失败|中断|断开)", statuses=(0, 408, 500, 502, 503, 504)),
    phrase(_K.PROVIDER_TIMEOUT, r"超时", unless=r"下载|图片", statuses=(0, 408, 500, 502, 503, 504, 524)),
    phrase(_K.INVALID_REQUEST, r"参数|不能为空|格式(错误|不正确)|必填", statuses=(0,)),
)

CHINESE = tuple(row._replace(ascii=False) for row in _ROWS)
"""The rows, of which a text in English needs none."""
