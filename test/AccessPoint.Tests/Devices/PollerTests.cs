using System.Net;
using System.Net.Sockets;
using Masquerade.AccessPoint.Agent.Devices;
using Masquerade.Core.Time;

namespace Masquerade.AccessPoint.Tests.Devices;

public sealed class PollerTests : IDisposable
{
    private readonly Poller _poller = new();
    private readonly Socket _one = Udp();
    private readonly Socket _two = Udp();

    public void Dispose()
    {
        _poller.Dispose();
        _one.Dispose();
        _two.Dispose();
    }

    [Fact]
    public void The_deadline_ends_a_wait_not_early()
    {
        _poller.Add(Handle(_one));
        foreach (var wait in new[] { 20_000L, 300_000L, 5_000_000L })
        {
            var start = MonotonicClock.Now;
            Assert.Equal(0, _poller.Wait(start, new Instant(start.Nanoseconds + wait)));
            Assert.True(MonotonicClock.Now.Nanoseconds - start.Nanoseconds >= wait);
            Assert.False(_poller.WasWoken);
        }

        Assert.Equal(0, _poller.Wait(MonotonicClock.Now, Instant.Zero));
    }

    [Fact]
    public void Only_descriptors_with_input_are_ready()
    {
        var (one, two) = (_poller.Add(Handle(_one)), _poller.Add(Handle(_two)));
        Send(_two);
        Assert.Equal(1, _poller.Wait(MonotonicClock.Now, Instant.Never));
        Assert.False(_poller.IsReady(one));
        Assert.True(_poller.IsReady(two));
        _two.Receive(new byte[10]);
        Assert.Equal(0, _poller.Wait(MonotonicClock.Now, MonotonicClock.Now));
        Assert.False(_poller.IsReady(two));

        Send(_one);
        Send(_two);
        Assert.Equal(2, _poller.Wait(MonotonicClock.Now, Instant.Never));
        _poller.Remove(two);
        Assert.Equal(1, _poller.Wait(MonotonicClock.Now, Instant.Never));
        Assert.False(_poller.IsReady(two));
    }

    [Fact]
    public void A_wake_ends_the_present_wait_or_the_next_one_once()
    {
        _poller.Wake();
        _poller.Wake();
        Assert.Equal(0, _poller.Wait(MonotonicClock.Now, Instant.Never));
        Assert.True(_poller.WasWoken);
        Assert.Equal(0, _poller.Wait(MonotonicClock.Now, MonotonicClock.Now + TimeSpan.FromMilliseconds(1)));
        Assert.False(_poller.WasWoken);

        var waker = new Thread(() =>
        {
            Thread.Sleep(20);
            _poller.Wake();
        });
        waker.Start();
        Assert.Equal(0, _poller.Wait(MonotonicClock.Now, MonotonicClock.Now + TimeSpan.FromSeconds(10)));
        Assert.True(_poller.WasWoken);
        waker.Join();
    }

    [Fact]
    public void No_wake_is_ever_lost()
    {
        const int rounds = 20_000;
        long posted = 0;
        long seen = 0;
        var waker = new Thread(() =>
        {
            for (var i = 0; i < rounds; i++)
            {
                Interlocked.Increment(ref posted);
                _poller.Wake();
                if (i % 3 == 0)
                {
                    // Now and then only after the waiter has caught up, so that it sleeps when the wake comes.
                    SpinWait.SpinUntil(() => Interlocked.Read(ref seen) > i, TimeSpan.FromSeconds(5));
                }
            }
        });
        waker.Start();
        while (Interlocked.Read(ref seen) < rounds)
        {
            var start = MonotonicClock.Now;
            _poller.Wait(start, start + TimeSpan.FromSeconds(4));
            Assert.True(_poller.WasWoken, "a wake was lost");
            Interlocked.Exchange(ref seen, Interlocked.Read(ref posted));
        }

        Assert.True(waker.Join(10_000));
    }

    [Fact]
    public void A_device_that_has_to_be_asked_never_lets_it_wait()
    {
        var number = _poller.Add(-1);
        Assert.Equal(1, _poller.Wait(MonotonicClock.Now, Instant.Never));
        Assert.True(_poller.IsReady(number));
        _poller.Remove(number);
        Assert.Equal(0, _poller.Wait(MonotonicClock.Now, MonotonicClock.Now + TimeSpan.FromMilliseconds(1)));
        Assert.False(_poller.IsReady(number));
    }

    [Fact]
    public void Misuse_is_refused()
    {
        for (var i = 0; i < Poller.Capacity; i++)
        {
            _poller.Add(Handle(_one));
        }

        Assert.Throws<InvalidOperationException>(() => _poller.Add(Handle(_one)));
        Assert.Throws<ArgumentOutOfRangeException>(() => _poller.IsReady(Poller.Capacity));
        Assert.Throws<ArgumentOutOfRangeException>(() => _poller.Remove(-1));
        _poller.Dispose();
        _poller.Wake();
        Assert.Throws<ObjectDisposedException>(() => _poller.Wait(Instant.Zero, Instant.Zero));
    }

    private static Socket Udp()
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return socket;
    }

    private static int Handle(Socket socket) => (int)socket.Handle;

    private static void Send(Socket to)
    {
        using var from = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        from.SendTo(new byte[1], to.LocalEndPoint!);
    }
}
