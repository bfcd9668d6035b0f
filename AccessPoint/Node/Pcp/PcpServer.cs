using System.Buffers.Binary;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;
using Masquerade.Fam;

namespace Masquerade.AccessPoint.Pcp;

/// <summary>
/// The Port Control Protocol's server (RFC 6887): one for the whole site as far as clients can see, for it is the FAM that has their mappings, and those go with them. It has no state
/// of its own but how often clients ask.
/// </summary>
internal sealed class PcpServer(PcpConfig config)
{
    /// <summary>The most clients that are counted in a second.</summary>
    private const int MaxCounted = 8_192;

    /// <summary>For how long who was refused is to ask no more: what may pass soon, and what will not (section 7.4).</summary>
    private const uint ShortError = 30;
    private const uint LongError = 1_800;

    private readonly Dictionary<MacAddress, int> _asked = [];
    private Instant _countedUntil;

    /// <summary>Whether a client asks more often than it may.</summary>
    public bool IsTooOften(MacAddress client, Instant now)
    {
        if (now >= _countedUntil)
        {
            _asked.Clear();
            _countedUntil = now + TimeSpan.FromSeconds(1);
        }

        var asked = _asked.GetValueOrDefault(client);
        if (asked >= config.RequestsPerSecond || (asked == 0 && _asked.Count == MaxCounted))
        {
            return true;
        }

        _asked[client] = asked + 1;
        return false;
    }

    /// <summary>Answers a datagram.</summary>
    /// <param name="message">Its payload.</param>
    /// <param name="mac">The client that sent it.</param>
    /// <param name="source">The address that it was sent from.</param>
    /// <param name="fam">Who serves the client.</param>
    /// <param name="now">The time.</param>
    /// <param name="answer">Gets the answer; room for <see cref="PcpProtocol.MaxLength"/> octets.</param>
    /// <param name="length">The answer's length; 0 if there is none (yet).</param>
    /// <returns>Why there is no answer; <see cref="DropReason.None"/> if there is one, or if the same is to be asked again in a moment.</returns>
    public DropReason Answer(ReadOnlySpan<byte> message, MacAddress mac, IpAddress source, FamEngine fam, Instant now, Span<byte> answer, out int length)
    {
        length = 0;
        if (message.Length < 2 || (message[1] & PcpProtocol.ResponseBit) != 0)
        {
            // Section 8.2: silently dropped.
            return DropReason.Malformed;
        }

        // A client that speaks IPv6 to its gateway's link-local address may do so from its own, which is nobody's outside.
        var known = source.IsLinkLocal ? default : fam.DescribeExplicit(mac, source, now);
        switch (known.Outcome)
        {
            case MapOutcome.NotNow:
                return DropReason.None;
            case MapOutcome.SpoofedSource:
                return DropReason.SpoofedSource;
        }

        var epoch = known.Epoch;
        if (message[0] != PcpProtocol.Version)
        {
            // Section 9 and appendix A: also to NAT-PMP, which reads the result at the same place.
            length = WriteError(PcpResult.UnsupportedVersion, message, epoch, answer);
            return DropReason.None;
        }

        var result = PcpRequest.TryParse(message, out var request);
        if (result == PcpResult.Success)
        {
            result = request.Client != source ? PcpResult.AddressMismatch
                : known.Outcome == MapOutcome.NoResources ? PcpResult.NoResources
                : source.IsLinkLocal && request.Opcode != PcpOpcode.Announce ? PcpResult.NotAuthorized
                : PcpResult.Success;
        }

        var granted = default(MapAnswer);
        if (result == PcpResult.Success && request.Opcode != PcpOpcode.Announce)
        {
            result = Carry(request, mac, source, fam, now, out granted);
            if (granted.Outcome == MapOutcome.NotNow)
            {
                return DropReason.None;
            }

            epoch = granted.Epoch;
        }

        if (result != PcpResult.Success)
        {
            length = WriteError(result, message, epoch, answer);
            return DropReason.None;
        }

        answer[..PcpProtocol.HeaderLength].Clear();
        var masquerade = granted.Masquerade.IsNone && request.Opcode != PcpOpcode.Announce ? request.Suggested : granted.Masquerade;
        length = request.WriteBody(answer, masquerade);
        WriteHeader(answer, message[1], PcpResult.Success, (uint)Math.Clamp(granted.Lifetime.TotalSeconds, 0, uint.MaxValue), epoch);
        return DropReason.None;
    }

    private PcpResult Carry(in PcpRequest request, MacAddress mac, IpAddress source, FamEngine fam, Instant now, out MapAnswer answer)
    {
        answer = default;
        TransportProtocol? protocol = request.Protocol switch
        {
            IpProtocolNumber.Tcp => TransportProtocol.Tcp,
            IpProtocolNumber.Udp => TransportProtocol.Udp,
            _ => null,
        };
        var isPeer = request.Opcode == PcpOpcode.Peer;
        if (request is { Lifetime: 0, InternalPort: 0 } && !isPeer && (protocol is not null || request.Protocol == 0))
        {
            answer = fam.UnmapAll(mac, protocol, source, request.Nonce, now);
            return ResultOf(answer.Outcome, request.Lifetime);
        }

        if (protocol is null)
        {
            return PcpResult.UnsupportedProtocol;
        }

        if (request.InternalPort == 0 || (isPeer && (request.Server.Port == 0 || request.Server.Address.IsNone || request.Server.Address.IsIPv4 != source.IsIPv4)))
        {
            // All ports of a shared address are nobody's.
            return request.InternalPort == 0 && !isPeer ? PcpResult.UnsupportedProtocol : PcpResult.MalformedRequest;
        }

        answer = fam.Map(
            new MapRequest(mac, protocol.Value, new TransportEndpoint(source, request.InternalPort), request.Nonce, LifetimeOf(request.Lifetime))
            {
                Suggested = request.Suggested,
                Exactly = request.PreferFailure,
                Filters = request.Filters ?? [],
                ClearsFilters = request.ClearsFilters,
                Server = isPeer ? request.Server : TransportEndpoint.None,
            },
            now);
        return ResultOf(answer.Outcome, request.Lifetime);
    }

    private TimeSpan LifetimeOf(uint seconds)
    {
        var wanted = TimeSpan.FromSeconds(seconds);
        return seconds == 0 ? TimeSpan.Zero : wanted < config.MinimumLifetime ? config.MinimumLifetime : wanted > config.MaximumLifetime ? config.MaximumLifetime : wanted;
    }

    /// <summary>A published service is as good as what the client asks for, but not the client's to end (section 15.1).</summary>
    private static PcpResult ResultOf(MapOutcome outcome, uint lifetime) => outcome switch
    {
        MapOutcome.Granted => PcpResult.Success,
        MapOutcome.Published => lifetime == 0 ? PcpResult.NotAuthorized : PcpResult.Success,
        MapOutcome.OthersNonce or MapOutcome.SpoofedSource => PcpResult.NotAuthorized,
        MapOutcome.Quota => PcpResult.UserExceedsQuota,
        MapOutcome.Taken => PcpResult.CannotProvideExternal,
        MapOutcome.TooManyPeers => PcpResult.ExcessiveRemotePeers,
        _ => PcpResult.NoResources,
    };

    /// <summary>An error is the request again, with the result in it (section 8.2).</summary>
    private static int WriteError(PcpResult result, ReadOnlySpan<byte> message, TimeSpan epoch, Span<byte> answer)
    {
        var copied = Math.Min(message.Length, PcpProtocol.MaxLength);
        var length = Math.Max(PcpProtocol.HeaderLength, (copied + 3) & ~3);
        answer[..length].Clear();
        message[..copied].CopyTo(answer);
        var lasts = result is PcpResult.NetworkFailure or PcpResult.NoResources or PcpResult.UserExceedsQuota or PcpResult.CannotProvideExternal ? ShortError : LongError;
        WriteHeader(answer, message[1], result, lasts, epoch);
        return length;
    }

    private static void WriteHeader(Span<byte> answer, byte opcode, PcpResult result, uint lifetime, TimeSpan epoch)
    {
        answer[0] = PcpProtocol.Version;
        answer[1] = (byte)(opcode | PcpProtocol.ResponseBit);
        answer[2] = 0;
        answer[3] = (byte)result;
        BinaryPrimitives.WriteUInt32BigEndian(answer[4..], lifetime);
        BinaryPrimitives.WriteUInt32BigEndian(answer[8..], (uint)(ulong)epoch.TotalSeconds);
        answer.Slice(12, 12).Clear();
    }
}
