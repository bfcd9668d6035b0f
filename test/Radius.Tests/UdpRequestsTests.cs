using System.Net;
using System.Net.Sockets;
using Masquerade.Auth.Radius;

namespace Masquerade.Radius.Tests;

/// <summary>A listener outlives whatever becomes of one datagram.</summary>
[Trait("Req", "A-27")]
public sealed class UdpRequestsTests
{
    private readonly ManualTime _time = new();
    private readonly List<string> _told = [];

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_nobody_has_foreseen_is_counted_and_told_and_the_next_datagram_is_answered(bool whileWorking)
    {
        // One at a time: who is answered comes after all that became of the datagram before.
        await using var requests = new UdpRequests(
            new IPEndPoint(IPAddress.Loopback, 0), 1, 0,
            (datagram, _) => datagram.Span[0] != 0xEE ? new UdpTaken([9, datagram.Span[0]])
                : whileWorking ? new UdpTaken(null, _ => throw new InvalidOperationException("unheard of"))
                : throw new InvalidOperationException("unheard of"),
            Tell, _time);
        using var client = new UdpClient();
        client.Connect(requests.EndPoint);
        for (byte round = 1; round <= 5; round++)
        {
            await client.SendAsync(new byte[] { 0xEE });
            await AskAsync(client, round);
        }

        Assert.Equal(5, requests.Faults);

        // Told once a second at most, and how many there were.
        lock (_told)
        {
            Assert.Equal(["1 datagram was lost: InvalidOperationException: unheard of"], _told);
        }

        _time.Pass(TimeSpan.FromSeconds(2));
        await client.SendAsync(new byte[] { 0xEE });
        await AskAsync(client, 7);
        Assert.Equal(6, requests.Faults);
        lock (_told)
        {
            Assert.Equal("5 datagrams were lost: InvalidOperationException: unheard of", _told[^1]);
        }
    }

    private static async Task AskAsync(UdpClient client, byte what)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        await client.SendAsync(new byte[] { what });
        Assert.Equal([9, what], (await client.ReceiveAsync(patience.Token)).Buffer);
    }

    private void Tell(string text)
    {
        lock (_told)
        {
            _told.Add(text);
        }
    }
}
