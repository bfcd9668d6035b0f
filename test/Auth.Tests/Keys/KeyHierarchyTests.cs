using System.Text;
using Masquerade.Auth.Keys;
using Masquerade.Core.Flow;
using Xunit.Abstractions;

namespace Masquerade.Auth.Tests.Keys;

/// <summary>SK, AK and PTK (decision 28), with a program that shares nothing with this one as judge.</summary>
public sealed class KeyHierarchyTests(ITestOutputHelper output)
{
    private static readonly MacAddress Client = MacAddress.Parse("02:00:00:00:00:01");
    private static readonly SessionId Session = new(1, 2);

    [Fact]
    [Trait("Req", "A-24")]
    public void Another_program_makes_the_same_keys()
    {
        var chance = Seed.Fresh(output);
        var cases = Enumerable.Range(0, 64).Select(i => new Case(chance, i)).ToArray();
        var answers = KeyJudge.Ask("Keys/Judges/hierarchy.py", cases.Select(c => c.Line));
        Assert.Equal(cases.Length, answers.Length);
        for (var i = 0; i < cases.Length; i++)
        {
            Assert.Equal(answers[i], cases[i].Own());
        }
    }

    [Fact]
    [Trait("Req", "A-25")]
    public void No_access_point_has_the_key_of_another_and_no_session_that_of_another()
    {
        var msk = Filled(SessionKey.MskLength, 7);
        var keys = new HashSet<string>(StringComparer.Ordinal);
        foreach (var session in new[] { Session, new SessionId(1, 3) })
        {
            foreach (var client in new[] { Client, MacAddress.Parse("02:00:00:00:00:02") })
            {
                Assert.True(SessionKey.TryDerive(msk, session, client, out var sk));
                Assert.True(keys.Add(Convert.ToHexString(sk.Bytes)));
                foreach (var node in new[] { "ap1", "ap2", "ap11", "ap" })
                {
                    using var ak = sk.DeriveFor(new NodeId(node));
                    Assert.True(keys.Add(Convert.ToHexString(ak.Bytes)), "the same key twice");
                }

                sk.Dispose();
            }
        }
    }

    [Fact]
    [Trait("Req", "A-24")]
    public void Keys_of_zeros_or_of_another_length_are_refused()
    {
        Assert.False(SessionKey.TryDerive(new byte[SessionKey.MskLength], Session, Client, out _));
        Assert.False(SessionKey.TryFrom(new byte[SessionKey.Length], Session, Client, out _));
        Assert.False(AccessPointKey.TryFrom(new byte[AccessPointKey.Length], new NodeId("ap1"), Session, Client, out _));
        for (var length = 0; length < 100; length++)
        {
            var bytes = Filled(length, 1);
            Assert.Equal(length == SessionKey.MskLength, SessionKey.TryDerive(bytes, Session, Client, out _));
            Assert.Equal(length == SessionKey.Length, SessionKey.TryFrom(bytes, Session, Client, out _));
            Assert.Equal(length == AccessPointKey.Length, AccessPointKey.TryFrom(bytes, new NodeId("ap1"), Session, Client, out _));
        }

        var good = Filled(SessionKey.Length, 1);
        Assert.False(SessionKey.TryFrom(good, SessionId.None, Client, out _));
        Assert.False(SessionKey.TryFrom(good, Session, MacAddress.None, out _));
        Assert.False(SessionKey.TryFrom(good, Session, MacAddress.Broadcast, out _));
        Assert.False(AccessPointKey.TryFrom(good, new NodeId("a b"), Session, Client, out _));
        Assert.False(AccessPointKey.TryFrom(good, NodeId.None, Session, Client, out _));
    }

    [Fact]
    [Trait("Req", "A-24")]
    public void What_was_disposed_of_is_zero_and_cannot_be_used()
    {
        Assert.True(SessionKey.TryFrom(Filled(SessionKey.Length, 9), Session, Client, out var sk));
        var ak = sk.DeriveFor(new NodeId("ap1"));
        Assert.True(LinkKeys.TryDerive(ak, MacAddress.Parse("02:00:00:00:aa:01"), Client, Filled(32, 1), Filled(32, 2), out var link));
        var held = new[] { View(sk.Bytes), View(ak.Bytes), View(link.Kck), View(link.Kek), View(link.Tk) };
        sk.Dispose();
        ak.Dispose();
        link.Dispose();
        Assert.All(held, bytes => Assert.False(bytes.Span.ContainsAnyExcept((byte)0)));
        Assert.Throws<ObjectDisposedException>(() => sk.DeriveFor(new NodeId("ap1")));
        Assert.Throws<ObjectDisposedException>(() => ak.CopyTo(new byte[32]));
        Assert.Throws<ObjectDisposedException>(() => link.Tk.Length);
    }

    [Fact]
    [Trait("Req", "A-24")]
    public void Keys_never_become_text()
    {
        var msk = Filled(SessionKey.MskLength, 0xA5);
        Assert.True(SessionKey.TryDerive(msk, Session, Client, out var sk));
        var ak = sk.DeriveFor(new NodeId("ap1"));
        Assert.True(LinkKeys.TryDerive(ak, MacAddress.Parse("02:00:00:00:aa:01"), Client, Filled(32, 1), Filled(32, 2), out var link));
        var text = $"{sk} {ak} {link} {new SecretBytes(msk)}";
        foreach (var secret in new[] { msk, sk.Bytes.ToArray(), ak.Bytes.ToArray(), link.Kck.ToArray(), link.Kek.ToArray(), link.Tk.ToArray() })
        {
            Assert.DoesNotContain(Convert.ToHexString(secret)[..8], text, StringComparison.OrdinalIgnoreCase);
            Assert.DoesNotContain(Convert.ToBase64String(secret)[..6], text, StringComparison.Ordinal);
        }
    }

    private static byte[] Filled(int length, byte first) => [.. Enumerable.Range(0, length).Select(i => (byte)(first + i))];

    // A second view of the same memory: the test looks at what is left there.
    private static unsafe Memory View(ReadOnlySpan<byte> bytes)
    {
        fixed (byte* at = bytes)
        {
            return new Memory((nint)at, bytes.Length);
        }
    }

    private readonly record struct Memory(nint At, int Length)
    {
        public unsafe ReadOnlySpan<byte> Span => new((void*)At, Length);
    }

    private sealed class Case
    {
        private readonly byte[] _msk;
        private readonly SessionId _session;
        private readonly MacAddress _client;
        private readonly NodeId _node;
        private readonly MacAddress _accessPoint;
        private readonly byte[] _a;
        private readonly byte[] _s;
        private readonly byte[] _message;

        public Case(SeededRandom chance, int number)
        {
            _msk = KeyJudge.Draw(chance, SessionKey.MskLength);
            _session = SessionId.Draw(bytes => KeyJudge.Draw(chance, bytes.Length).CopyTo(bytes));
            _client = new MacAddress((chance.NextUInt64() & 0xFEFF_FFFF_FFFF) | 1);
            _accessPoint = new MacAddress((chance.NextUInt64() & 0xFEFF_FFFF_FFFF) | 1);
            _node = new NodeId(new string('n', 1 + (number % NodeId.MaxLength)));
            _a = KeyJudge.Draw(chance, LinkKeys.NonceLength);
            _s = KeyJudge.Draw(chance, LinkKeys.NonceLength);
            _message = KeyJudge.Draw(chance, 16 + chance.NextInt(700));
        }

        public string Line
        {
            get
            {
                var session = new byte[SessionId.Length];
                _session.WriteTo(session);
                return string.Join(' ', new[] { _msk, session, Bytes(_client), Encoding.ASCII.GetBytes(_node.Name!), Bytes(_accessPoint), Bytes(_client), _a, _s, _message }
                    .Select(Convert.ToHexString));
            }
        }

        public string Own()
        {
            Assert.True(SessionKey.TryDerive(_msk, _session, _client, out var sk));
            var ak = sk.DeriveFor(_node);
            Assert.True(LinkKeys.TryDerive(ak, _accessPoint, _client, _a, _s, out var link));
            var mac = new byte[AesCmac.Length];
            AesCmac.Compute(link.Kck, _message, mac);
            var plain = _message.AsSpan(0, _message.Length / 8 * 8);
            var wrapped = new byte[plain.Length + AesKeyWrap.Overhead];
            AesKeyWrap.Wrap(link.Kek, plain, wrapped);
            byte[] ptk = [.. link.Kck, .. link.Kek, .. link.Tk];
            return string.Join(' ', new[] { sk.Bytes.ToArray(), ak.Bytes.ToArray(), ptk, mac, wrapped }.Select(Convert.ToHexStringLower));
        }

        private static byte[] Bytes(MacAddress mac)
        {
            var bytes = new byte[6];
            mac.WriteTo(bytes);
            return bytes;
        }
    }
}
