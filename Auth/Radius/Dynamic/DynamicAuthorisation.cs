using System.Buffers.Binary;
using System.Net;
using Masquerade.Core.Flow;

namespace Masquerade.Auth.Radius;

/// <summary>
/// Checks Disconnect- and CoA-Requests (RFC 5176) and answers them: bytes in, verdict out, no socket and no clock. What is not authentic or not of now is dropped without a word; what is authentic and cannot be done whole is
/// refused with an Error-Cause and not done at all. Not safe for several threads.
/// </summary>
public sealed class DynamicAuthorisation
{
    private readonly DynamicAuthorisationSettings _settings;
    private readonly Dictionary<DynamicKey, byte[]?> _remembered = [];
    private readonly Queue<(DynamicKey Key, DateTimeOffset Until)> _order = new();
    private readonly long[] _counts = new long[Enum.GetValues<DynamicCount>().Length];

    /// <summary>A checker.</summary>
    /// <exception cref="ArgumentException">A setting is out of its range.</exception>
    public DynamicAuthorisation(DynamicAuthorisationSettings settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        if (settings.MaximumRemembered is < 16 or > 1_000_000 || settings.Window <= TimeSpan.Zero)
        {
            throw new ArgumentException("a limit of dynamic authorisation is out of its range", nameof(settings));
        }

        _settings = settings;
    }

    /// <summary>How often something has happened.</summary>
    public long this[DynamicCount count] => Interlocked.Read(ref _counts[(int)count]);

    /// <summary>Looks at a datagram.</summary>
    /// <param name="datagram">What came; a request that is handed on keeps it.</param>
    /// <param name="source">Who sent it.</param>
    /// <param name="now">The time of day.</param>
    public DynamicVerdict Receive(ReadOnlyMemory<byte> datagram, IPAddress source, DateTimeOffset now)
    {
        var verdict = Check(datagram, source, now);
        Interlocked.Increment(ref _counts[(int)verdict.Reason]);
        return verdict;
    }

    /// <summary>What has come of a request that was handed on.</summary>
    /// <param name="request">The request.</param>
    /// <param name="result">Why it was not done; <see cref="ErrorCause.None"/>: it was.</param>
    /// <returns>What to send back.</returns>
    public byte[] Complete(DynamicRequest request, ErrorCause result)
    {
        ArgumentNullException.ThrowIfNull(request);
        Interlocked.Increment(ref _counts[(int)(result == ErrorCause.None ? DynamicCount.Acknowledged : DynamicCount.Refused)]);
        var answer = Answer(request.Packet, request.Secret, result);
        if (_remembered.ContainsKey(request.Key))
        {
            _remembered[request.Key] = answer;
        }

        return answer;
    }

    private static byte[] Answer(in RadiusPacket packet, RadiusSecret secret, ErrorCause result)
    {
        var attributes = new RadiusAttributeWriter();
        if (result != ErrorCause.None)
        {
            attributes.Add(RadiusAttributeType.ErrorCause, (uint)result);
        }

        // Proxies find their way back by it (RFC 5176 section 2.3, RFC 2865 section 5.33).
        attributes.Copy(packet, RadiusAttributeType.ProxyState);
        var code = (RadiusCode)((byte)packet.Code + (result == ErrorCause.None ? 1 : 2));
        return RadiusEncoder.Response(code, packet.Identifier, packet.Authenticator, attributes, secret);
    }

    private DynamicVerdict Check(ReadOnlyMemory<byte> datagram, IPAddress source, DateTimeOffset now)
    {
        var server = source.IsIPv4MappedToIPv6 ? source.MapToIPv4() : source;
        if (!_settings.Servers.TryGetValue(server, out var secret))
        {
            return new DynamicVerdict(DynamicCount.UnknownSource);
        }

        if (!RadiusPacket.TryParse(datagram, out var packet, out _))
        {
            return new DynamicVerdict(DynamicCount.Malformed);
        }

        if (packet.Code is not (RadiusCode.CoaRequest or RadiusCode.DisconnectRequest))
        {
            return new DynamicVerdict(DynamicCount.UnknownType);
        }

        Span<byte> zeros = stackalloc byte[RadiusAuthenticators.Length];
        zeros.Clear();
        if (!RadiusAuthenticators.IsAuthentic(packet, zeros, secret))
        {
            return new DynamicVerdict(DynamicCount.BadAuthenticator);
        }

        if (!RadiusAuthenticators.HasRightMessageAuthenticator(packet, zeros, secret))
        {
            return new DynamicVerdict(DynamicCount.BadMessageAuthenticator);
        }

        if (CheckTime(packet, now) is { } late)
        {
            return new DynamicVerdict(late);
        }

        Forget(now);
        var key = new DynamicKey(server, BinaryPrimitives.ReadUInt128BigEndian(packet.Authenticator));
        if (_remembered.TryGetValue(key, out var answer))
        {
            return answer is null ? new DynamicVerdict(DynamicCount.UnderWay) : new DynamicVerdict(DynamicCount.Repeated, answer);
        }

        if (_remembered.Count >= _settings.MaximumRemembered)
        {
            // To do it and not remember it would let it be done again.
            return new DynamicVerdict(DynamicCount.Refused, Answer(packet, secret, ErrorCause.ResourcesUnavailable));
        }

        var cause = DynamicReader.Read(packet, _settings, out var selector, out var terms);
        answer = cause == ErrorCause.None ? null : Answer(packet, secret, cause);
        _remembered.Add(key, answer);
        _order.Enqueue((key, now + (_settings.Window * 2)));
        return answer is null ? new DynamicVerdict(DynamicCount.Requests, Request: new DynamicRequest(key, packet, secret, selector!, terms)) : new DynamicVerdict(DynamicCount.Refused, answer);
    }

    private DynamicCount? CheckTime(in RadiusPacket packet, DateTimeOffset now)
    {
        if (!packet.TryGet(RadiusAttributeType.EventTimestamp, out var timestamp))
        {
            return _settings.RequiresEventTimestamp ? DynamicCount.MissingTimestamp : null;
        }

        if (!timestamp.TryGetNumber(out var seconds))
        {
            return DynamicCount.Malformed;
        }

        return (now - DateTimeOffset.FromUnixTimeSeconds(seconds)).Duration() > _settings.Window ? DynamicCount.Stale : null;
    }

    /// <summary>A request can be within its window for twice the window; after that its timestamp refuses it.</summary>
    private void Forget(DateTimeOffset now)
    {
        while (_order.TryPeek(out var first) && first.Until < now)
        {
            _order.Dequeue();
            _remembered.Remove(first.Key);
        }
    }
}
