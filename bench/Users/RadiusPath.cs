using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Masquerade.Auth.Radius;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;

namespace Masquerade.Bench.Users;

/// <summary>Straight to the RADIUS server, by the shortest loop there is: what is measured this way is the server's own limit. An answer that does not come is an end of the run.</summary>
internal sealed class RadiusPath : IEapPath
{
    private readonly Socket _socket;
    private readonly RadiusSecret _secret;
    private readonly Question?[] _questions = new Question?[256];
    private readonly Dictionary<MacAddress, byte[]> _states = [];
    private readonly byte[] _buffer = new byte[RadiusPacket.MaximumLength];
    private readonly RadiusAttributeWriter _attributes = new();
    private byte _next;

    public RadiusPath(IPEndPoint server, string secret)
    {
        _secret = new RadiusSecret(secret);
        _socket = new Socket(server.AddressFamily, SocketType.Dgram, ProtocolType.Udp) { ReceiveTimeout = 10_000 };
        _socket.Connect(server);
    }

    public void Say(MacAddress client, ulong exchange, ReadOnlySpan<byte> eap, EapAnswered answered)
    {
        while (_questions[_next] is not null)
        {
            _next++;
        }

        var authenticator = RandomNumberGenerator.GetBytes(RadiusAuthenticators.Length);
        _attributes.Clear();
        _attributes.Add(RadiusAttributeType.UserName, "bench").Add(RadiusAttributeType.CallingStationId, client.ToString()).Add(RadiusAttributeType.NasIdentifier, "bench")
            .AddLong(RadiusAttributeType.EapMessage, eap);
        if (_states.TryGetValue(client, out var state))
        {
            _attributes.Add(RadiusAttributeType.State, state);
        }

        _questions[_next] = new Question(client, authenticator, answered);
        _ = _socket.Send(RadiusEncoder.Request(RadiusCode.AccessRequest, _next, authenticator, _attributes, _secret));
        _next++;
    }

    public void RunUntil(Func<bool> isDone)
    {
        while (!isDone())
        {
            Take(_socket.Receive(_buffer));
        }
    }

    public void Dispose()
    {
        _socket.Dispose();
        _secret.Dispose();
    }

    private void Take(int length)
    {
        if (!RadiusPacket.TryParse(_buffer.AsMemory(0, length), out var packet, out var fault) || _questions[packet.Identifier] is not { } question)
        {
            throw new BenchException($"the RADIUS server's answer fits no question ({fault})");
        }

        if (!RadiusAuthenticators.IsAuthentic(packet, question.Authenticator, _secret) || !RadiusAuthenticators.HasRightMessageAuthenticator(packet, question.Authenticator, _secret))
        {
            throw new BenchException("the RADIUS server's answer is not authentic");
        }

        _questions[packet.Identifier] = null;
        if (packet.TryGet(RadiusAttributeType.State, out var state))
        {
            _states[question.Client] = state.Value.ToArray();
        }
        else
        {
            _ = _states.Remove(question.Client);
        }

        var outcome = packet.Code switch
        {
            RadiusCode.AccessChallenge => EapOutcome.Continue,
            RadiusCode.AccessAccept => EapOutcome.Accept,
            _ => EapOutcome.Reject,
        };
        question.Answered(outcome, packet.Concatenate(RadiusAttributeType.EapMessage) ?? []);
    }

    private sealed record Question(MacAddress Client, byte[] Authenticator, EapAnswered Answered);
}
