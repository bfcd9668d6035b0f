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
    private readonly Lock _gate = new();
    private readonly long[] _counts = new long[Enum.GetValues<RadiusProxyCount>().Length];
    private readonly UdpRequests _requests;

    /// <summary>Listens.</summary>
    /// <param name="settings">Whom it serves.</param>
    /// <param name="radius">Asks the servers; remains the caller's.</param>
    /// <param name="granted">Is given every session before the access point hears of it, and owns it; false refuses the user.</param>
    /// <param name="time">The clock; null for the system's.</param>
    /// <param name="trouble">Is told of what nobody has foreseen, at most once a second. May be called by any thread.</param>
    /// <exception cref="SocketException">The port is not to be had.</exception>
    public RadiusProxy(
        RadiusProxySettings settings, RadiusClient radius, Func<NodeId, SessionGrant, CancellationToken, Task<bool>> granted, TimeProvider? time = null, Action<string>? trouble = null)
    {
        ArgumentNullException.ThrowIfNull(settings);
        (_settings, _radius, _granted, _time) = (settings, radius, granted, time ?? TimeProvider.System);
        _memory = new ProxyMemory(settings.MaximumRemembered, settings.Remember, _time);
        _requests = new UdpRequests(settings.Listen, MaximumUnderWay, receiveBuffer: 1 << 20, Take, trouble);
    }

    /// <summary>Where it listens.</summary>
    public IPEndPoint EndPoint => _requests.EndPoint;

    /// <summary>How often something has happened.</summary>
    public long this[RadiusProxyCount count] => Interlocked.Read(ref _counts[(int)count]);

    /// <summary>How often something has happened that nobody has foreseen.</summary>
    public long Faults => _requests.Faults;

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _requests.DisposeAsync();

    private UdpTaken Take(ReadOnlyMemory<byte> datagram, IPEndPoint from)
    {
        if (Check(datagram, from, out var packet, out var client, out var answer) is { } count)
        {
            Count(count);
            return new UdpTaken(answer);
        }

        return new UdpTaken(null, cancel => ServeAsync(packet, from, client!, cancel));
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

    private async Task<byte[]?> ServeAsync(RadiusPacket request, IPEndPoint from, RadiusProxyClient client, CancellationToken cancel)
    {
        byte[]? answer = null;
        try
        {
            Count(RadiusProxyCount.Requests);
            var reply = await _radius.SendAsync(RadiusCode.AccessRequest, ProxyAttributes.ForServer(request), ServerOf(request), cancel);
            if (reply.Outcome != RadiusOutcome.Answered)
            {
                // Silence makes the access point try its next server, as it would without us.
                Count(RadiusProxyCount.NoServer);
                return null;
            }

            answer = await AnswerAsync(request, reply, client, cancel);
            Count(RadiusProxyCount.Answers);
            return answer;
        }
        finally
        {
            lock (_gate)
            {
                _memory.End(Key(request, from), answer);
            }
        }
    }

    private async Task<byte[]> AnswerAsync(RadiusPacket request, RadiusReply reply, RadiusProxyClient client, CancellationToken cancel)
    {
        if (reply.Packet.Code == RadiusCode.AccessChallenge && reply.Packet.TryGet(RadiusAttributeType.State, out var state))
        {
            lock (_gate)
            {
                _memory.Bind(state.Value, reply.Server!);
            }
        }

        if (reply.Packet.Code == RadiusCode.AccessAccept && await LearnAsync(request, reply, client, cancel) is { } failure)
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
    private async Task<byte[]?> LearnAsync(RadiusPacket request, RadiusReply reply, RadiusProxyClient client, CancellationToken cancel)
    {
        var eap = request.Concatenate(RadiusAttributeType.EapMessage);
        if (!EapMessage.TryRead(eap, out _, out var response) || !ProxyAttributes.TryReadClient(request, out var mac))
        {
            return [EapMessage.Failure, eap is { Length: > 1 } ? eap[1] : (byte)0, 0, 4];
        }

        var identity = request.TryGet(RadiusAttributeType.UserName, out var name) && name.TryGetText(out var text) ? text : string.Empty;
        var exchange = new Exchange(new ExchangeName(client.Node, mac, 0), identity, SessionId.Draw(RandomNumberGenerator.Fill)) { Domain = FastTransitionAttributes.Read(request) };
        var answer = AcceptReader.Read(reply, exchange, response, _settings.IsKeyed, _time.GetUtcNow());
        if (answer.Grant is not { } grant || answer.Outcome != EapOutcome.Accept || !await _granted(client.Node, grant, cancel))
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
