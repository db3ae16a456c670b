"""Webhook mode: Telegram posts the updates to settings.TELEGRAM_WEBHOOK_URL, a proxy with TLS brings them here.

Each post has to carry the secret in its header X-Telegram-Bot-Api-Secret-Token; others get 401.
https://core.telegram.org/bots/api#setwebhook
"""

import asyncio
import logging
import signal
from urllib.parse import urlsplit

from aiogram import Bot, Dispatcher
from aiogram.webhook.aiohttp_server import SimpleRequestHandler, setup_application
from aiohttp import web
from django.conf import settings

log = logging.getLogger(__name__)


def application(dispatcher: Dispatcher, bot: Bot) -> web.Application:
    """Answers only once an update is handled, so that Telegram sends again what a process took along as it died."""
    app = web.Application()
    handler = SimpleRequestHandler(
        dispatcher, bot, handle_in_background=False, secret_token=settings.TELEGRAM_WEBHOOK_SECRET
    )
    handler.register(app, path=urlsplit(settings.TELEGRAM_WEBHOOK_URL).path or "/")
    setup_application(app, dispatcher, bot=bot)
    return app


async def serve(dispatcher: Dispatcher, bot: Bot, stop: asyncio.Event | None = None) -> None:
    """Until a signal, or `stop`."""
    if stop is None:
        stop = asyncio.Event()
        for signum in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    runner = web.AppRunner(application(dispatcher, bot))
    await runner.setup()
    try:
        host, port = settings.TELEGRAM_WEBHOOK_HOST, settings.TELEGRAM_WEBHOOK_PORT
        await web.TCPSite(runner, host, port).start()
        await bot.set_webhook(
            settings.TELEGRAM_WEBHOOK_URL,
            secret_token=settings.TELEGRAM_WEBHOOK_SECRET,
            allowed_updates=dispatcher.resolve_used_update_types(),
        )
        log.info("serving the webhook on %s:%s", host, port)
        await stop.wait()
    finally:
        # The webhook stays set: Telegram keeps the updates until the next process is there.
        await runner.cleanup()
