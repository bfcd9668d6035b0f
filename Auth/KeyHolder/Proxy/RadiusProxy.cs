using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Masquerade.Auth.Keys;
using Masquerade.Auth.Radius;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;

namespace Masquerade.Auth.KeyHolder;

/// <summary>
/// A RADIUS server for access points that were not made for this (hostapd as it comes): it passes their EAP on to the real servers in its own name and with its own secrets, learns user, client and session key from what it
/// passes back, and seals the MSK anew for the access point, which has it in any case. Only EAP goes through; every request must have a right Message-Authenticator.
/// </summary>
public sealed class RadiusProxy : IAsyncDisposable
{
    private const int MaximumUnderWay = 1_024;
    private readonly RadiusProxySettings _settings;
    private readonly RadiusClient _radius;
    private readonly Func<NodeId, SessionGrant, CancellationToken, Task<bool>> _granted;
    private readonly TimeProvider _time;
    private readonly ProxyMemory _memory;
    private readonly Socket _socket;
    private readonly Lock _gate = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly SemaphoreSlim _room = new(MaximumUnderWay);
    private readonly long[] _counts = new long[Enum.GetValues<RadiusProxyCount>().Length];
    private readonly Task _loop;

    /// <summary>Listens.</summary>
    /// <param name="settings">Whom it serves.</param>
    /// <param name="radius">Asks the servers; remains the caller's.</param>
    /// <param name="granted">Is given every session before the access point hears of it, and owns it; false refuses the user.</param>
    /// <param name="time">The clock; null for the system's.</param>
    /// <exception cref="SocketException">The port is not to be had.</exception>
    public RadiusProxy(RadiusProxySettings settings, RadiusClient radius, Func<NodeId, SessionGrant, CancellationToken, Task<bool>> granted, TimeProvider? time = null)
    {
        ArgumentNullException.ThrowIfNull(settings);
        (_settings, _radius, _granted, _time) = (settings, radius, granted, time ?? TimeProvider.System);
        _memory = new ProxyMemory(settings.MaximumRemembered, settings.Remember, _time);
        _socket = new Socket(settings.Listen.AddressFamily, SocketType.Dgram, ProtocolType.Udp) { ReceiveBufferSize = 1 << 20 };
        try
        {
            _socket.Bind(settings.Listen);
        }
        catch (SocketException)
        {
            _socket.Dispose();
            throw;
        }

        _loop = Task.Run(RunAsync);
    }

    /// <summary>Where it listens.</summary>
    public IPEndPoint EndPoint => (IPEndPoint)_socket.LocalEndPoint!;

    /// <summary>How often something has happened.</summary>
    public long this[RadiusProxyCount count] => Interlocked.Read(ref _counts[(int)count]);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _loop;
        for (var i = 0; i < MaximumUnderWay; i++)
        {
            // Whoever is at it gives back its place first.
            await _room.WaitAsync();
        }

        _socket.Dispose();
        _room.Dispose();
        _stop.Dispose();
    }

    private async Task RunAsync()
    {
        var buffer = new byte[RadiusPacket.MaximumLength + 1];
        var any = new IPEndPoint(_socket.AddressFamily == AddressFamily.InterNetwork ? IPAddress.Any : IPAddress.IPv6Any, 0);
        while (true)
        {
            try
            {
                await _room.WaitAsync(_stop.Token);
            }
            catch (OperationCanceledException)
            {
                return;
            }

            var handed = false;
            try
            {
                var received = await _socket.ReceiveFromAsync(buffer, SocketFlags.None, any, _stop.Token);
                var from = (IPEndPoint)received.RemoteEndPoint;
                if (Check(buffer.AsMemory(0, received.ReceivedBytes).ToArray(), from, out var packet, out var client, out var answer) is { } count)
                {
                    Count(count);
                    if (answer is not null)
                    {
                        await _socket.SendToAsync(answer, SocketFlags.None, from, _stop.Token);
                    }
                }
                else
                {
                    handed = true;
                    _ = Task.Run(() => ServeAsync(packet, from, client!));
                }
            }
            catch (OperationCanceledException)
            {
                return;
            }
            catch (SocketException)
            {
                // The answer's way is blocked just now; the access point asks again.
            }
            finally
            {
                if (!handed)
                {
                    _room.Release();
                }
            }
        }
    }

    private RadiusProxyCount? Check(ReadOnlyMemory<byte> datagram, IPEndPoint from, out RadiusPacket packet, out RadiusProxyClient? client, out byte[]? answer)
    {
        answer = null;
        packet = default;
        var address = from.Address.IsIPv4MappedToIPv6 ? from.Address.MapToIPv4() : from.Address;
        if (!_settings.Clients.TryGetValue(address, out client))
        {
            return RadiusProxyCount.UnknownSource;
        }

        if (!RadiusPacket.TryParse(datagram, out packet, out _))
        {
            return RadiusProxyCount.Malformed;
        }

        if (packet.Code != RadiusCode.AccessRequest)
        {
            return RadiusProxyCount.UnknownType;
        }

        if (!RadiusAuthenticators.HasRightMessageAuthenticator(packet, packet.Authenticator, client.Secret))
        {
            return RadiusProxyCount.BadMessageAuthenticator;
        }

        if (!packet.TryGet(RadiusAttributeType.EapMessage, out _) || packet.TryGet(RadiusAttributeType.UserPassword, out _))
        {
            return RadiusProxyCount.NotEap;
        }

        lock (_gate)
        {
            return _memory.Begin(Key(packet, from), out answer);
        }
    }

    private async Task ServeAsync(RadiusPacket request, IPEndPoint from, RadiusProxyClient client)
    {
        byte[]? answer = null;
        try
        {
            Count(RadiusProxyCount.Requests);
            var reply = await _radius.SendAsync(RadiusCode.AccessRequest, ProxyAttributes.ForServer(request), ServerOf(request), _stop.Token);
            if (reply.Outcome != RadiusOutcome.Answered)
            {
                // Silence makes the access point try its next server, as it would without us.
                Count(RadiusProxyCount.NoServer);
                return;
            }

            answer = await AnswerAsync(request, reply, client);
            await _socket.SendToAsync(answer, SocketFlags.None, from, _stop.Token);
            Count(RadiusProxyCount.Answers);
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException)
        {
            // Stopped, or the answer is lost; it is remembered, and the access point asks again.
        }
        finally
        {
            lock (_gate)
            {
                _memory.End(Key(request, from), answer);
            }

            _room.Release();
        }
    }

    private async Task<byte[]> AnswerAsync(RadiusPacket request, RadiusReply reply, RadiusProxyClient client)
    {
        if (reply.Packet.Code == RadiusCode.AccessChallenge && reply.Packet.TryGet(RadiusAttributeType.State, out var state))
        {
            lock (_gate)
            {
                _memory.Bind(state.Value, reply.Server!);
            }
        }

        if (reply.Packet.Code == RadiusCode.AccessAccept && await LearnAsync(request, reply, client) is { } failure)
        {
            Count(RadiusProxyCount.Refused);
            return RadiusEncoder.Response(RadiusCode.AccessReject, request.Identifier, request.Authenticator, ProxyAttributes.Refusal(request, failure), client.Secret);
        }

        var attributes = ProxyAttributes.ForClient(reply, request, client.Secret);
        return attributes.IsOverfull
            ? RadiusEncoder.Response(RadiusCode.AccessReject, request.Identifier, request.Authenticator, ProxyAttributes.Refusal(request, [EapMessage.Failure, 0, 0, 4]), client.Secret)
            : RadiusEncoder.Response(reply.Packet.Code, request.Identifier, request.Authenticator, attributes, client.Secret);
    }

    /// <summary>Takes the session from an accept; gives back the EAP-Failure to send instead if that is not possible.</summary>
    private async Task<byte[]?> LearnAsync(RadiusPacket request, RadiusReply reply, RadiusProxyClient client)
    {
        var eap = request.Concatenate(RadiusAttributeType.EapMessage);
        if (!EapMessage.TryRead(eap, out _, out var response) || !ProxyAttributes.TryReadClient(request, out var mac))
        {
            return [EapMessage.Failure, eap is { Length: > 1 } ? eap[1] : (byte)0, 0, 4];
        }

        var identity = request.TryGet(RadiusAttributeType.UserName, out var name) && name.TryGetText(out var text) ? text : string.Empty;
        var exchange = new Exchange(new ExchangeName(client.Node, mac, 0), identity, SessionId.Draw(RandomNumberGenerator.Fill));
        var answer = AcceptReader.Read(reply, exchange, response, _settings.IsKeyed, _time.GetUtcNow());
        if (answer.Grant is not { } grant || answer.Outcome != EapOutcome.Accept || !await _granted(client.Node, grant, _stop.Token))
        {
            return EapMessage.FailureTo(response.Span);
        }

        Count(RadiusProxyCount.Grants);
        return null;
    }

    private RadiusServer? ServerOf(in RadiusPacket request)
    {
        if (!request.TryGet(RadiusAttributeType.State, out var state))
        {
            return null;
        }

        lock (_gate)
        {
            return _memory.ServerOf(state.Value);
        }
    }

    private static ProxyKey Key(in RadiusPacket request, IPEndPoint from) => new(from, request.Identifier, BinaryPrimitives.ReadUInt128BigEndian(request.Authenticator));

    private void Count(RadiusProxyCount count) => Interlocked.Increment(ref _counts[(int)count]);
}
