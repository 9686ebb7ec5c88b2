import pytest
import redis.exceptions

from tests.servers.redis import RedisEndpoint, RedisServer


async def test_keys_under_a_prefix_are_deleted(redis_server: RedisEndpoint, redis_prefix: str):
    async with redis_server.connect() as client:
        await client.set(f"{redis_prefix}mine", "1")
        await client.set(f"other-{redis_prefix}", "1", ex=60)
        await redis_server.delete_keys(redis_prefix)
        assert await client.exists(f"{redis_prefix}mine") == 0
        assert await client.exists(f"other-{redis_prefix}") == 1


async def test_asks_for_a_password(redis_server: RedisEndpoint):
    async with RedisEndpoint(redis_server.host, redis_server.port, "wrong").connect() as client:
        with pytest.raises(redis.exceptions.AuthenticationError):
            await client.ping()


async def test_a_durable_server_keeps_its_data_over_a_kill(private_redis: RedisServer):
    endpoint = private_redis.endpoint
    async with endpoint.connect() as client:
        await client.set("key", "value")
    private_redis.kill()
    async with endpoint.connect() as client:
        with pytest.raises(redis.exceptions.ConnectionError):
            await client.get("key")
    await private_redis.start()
    async with endpoint.connect() as client:
        assert await client.get("key") == b"value"


async def test_another_one_begins_empty_after_a_restart():
    server = RedisServer()
    await server.start()
    try:
        async with server.endpoint.connect() as client:
            await client.set("key", "value")
        await server.restart()
        async with server.endpoint.connect() as client:
            assert await client.get("key") is None
    finally:
        await server.discard()


async def test_says_nothing_while_paused(private_redis: RedisServer):
    endpoint = private_redis.endpoint
    async with redis.asyncio.Redis(
        host=endpoint.host, port=endpoint.port, password=endpoint.password, socket_timeout=0.3, retry=None
    ) as client:
        private_redis.pause()
        with pytest.raises(redis.exceptions.TimeoutError):
            await client.ping()
        private_redis.resume()
        assert await client.ping()
