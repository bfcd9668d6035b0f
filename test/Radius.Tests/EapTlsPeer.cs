using System.Buffers.Binary;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Masquerade.Lab.FreeRadius;

namespace Masquerade.Radius.Tests;

/// <summary>An EAP-TLS client (RFC 5216, TLS 1.2) over the runtime's TLS: a peer for tests, that fragments and is sent fragments.</summary>
internal sealed class EapTlsPeer : IAsyncDisposable
{
    private const int Fragment = 500;
    private const byte More = 0x40;
    private const byte HasLength = 0x80;
    private readonly string _identity;
    private readonly MemoryPipe _pipe = new();
    private readonly SslStream _tls;
    private readonly Task _handshake;
    private readonly List<byte> _heard = [];
    private byte[] _toSay = [];
    private int _said;

    public EapTlsPeer(string identity, X509Certificate2 certificate, X509Certificate2 authority)
    {
        _identity = identity;
        _tls = new SslStream(_pipe);
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.Add(authority);
        _handshake = _tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
        {
            TargetHost = FreeRadiusProcess.ServerName, ClientCertificates = [certificate], CertificateChainPolicy = policy, EnabledSslProtocols = SslProtocols.Tls12,
        });
    }

    public byte[] Identity => [2, 1, .. Length(5 + _identity.Length), 1, .. System.Text.Encoding.UTF8.GetBytes(_identity)];

    /// <summary>Answers a request.</summary>
    public async Task<byte[]> AnswerAsync(ReadOnlyMemory<byte> request)
    {
        var eap = request.ToArray();
        Assert.Equal(1, eap[0]);
        if (eap[4] != 13)
        {
            // Another method: ask for EAP-TLS.
            return [2, eap[1], 0, 6, 3, 13];
        }

        var flags = eap[5];
        _heard.AddRange(eap[((flags & HasLength) != 0 ? 10 : 6)..]);
        if ((flags & More) != 0)
        {
            return Response(eap[1], 0, []);
        }

        if (_said == _toSay.Length)
        {
            (_toSay, _said) = (await _pipe.TalkAsync([.. _heard], _handshake), 0);
        }

        _heard.Clear();
        var piece = _toSay[_said..Math.Min(_said + Fragment, _toSay.Length)];
        var isFirst = _said == 0 && _toSay.Length > Fragment;
        _said += piece.Length;
        var head = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(head, _toSay.Length);
        return Response(eap[1], (byte)((isFirst ? HasLength : 0) | (_said < _toSay.Length ? More : 0)), isFirst ? [.. head, .. piece] : piece);
    }

    public async ValueTask DisposeAsync()
    {
        _pipe.End();
        try
        {
            await _handshake;
        }
        catch (Exception e) when (e is IOException or AuthenticationException)
        {
            // It was cut short by the test.
        }

        await _tls.DisposeAsync();
    }

    private static byte[] Length(int length) => [(byte)(length >> 8), (byte)length];

    private static byte[] Response(byte identifier, byte flags, byte[] data) => [2, identifier, .. Length(6 + data.Length), 13, flags, .. data];

    /// <summary>A stream whose other end is a method call: what is written is collected until the TLS engine wants to read.</summary>
    private sealed class MemoryPipe : Stream
    {
        private readonly Lock _gate = new();
        private readonly MemoryStream _written = new();
        private byte[] _input = [];
        private int _read;
        private bool _ended;
        private TaskCompletionSource _hasInput = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private TaskCompletionSource _wantsInput = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public async Task<byte[]> TalkAsync(byte[] input, Task handshake)
        {
            if (input.Length > 0)
            {
                lock (_gate)
                {
                    (_input, _read) = (input, 0);
                    _wantsInput = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                    _hasInput.TrySetResult();
                }
            }

            await Task.WhenAny(_wantsInput.Task, handshake);
            lock (_gate)
            {
                var all = _written.ToArray();
                _written.SetLength(0);
                return all;
            }
        }

        public void End()
        {
            lock (_gate)
            {
                _ended = true;
                _hasInput.TrySetResult();
            }
        }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            while (true)
            {
                Task waiting;
                lock (_gate)
                {
                    if (_read < _input.Length)
                    {
                        var length = Math.Min(buffer.Length, _input.Length - _read);
                        _input.AsMemory(_read, length).CopyTo(buffer);
                        _read += length;
                        return length;
                    }

                    if (_ended)
                    {
                        return 0;
                    }

                    if (_hasInput.Task.IsCompleted)
                    {
                        _hasInput = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                    }

                    _wantsInput.TrySetResult();
                    waiting = _hasInput.Task;
                }

                await waiting.WaitAsync(cancellationToken);
            }
        }

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            lock (_gate)
            {
                _written.Write(buffer.Span);
            }

            return ValueTask.CompletedTask;
        }

        public override void Flush()
        {
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count)
        {
            lock (_gate)
            {
                _written.Write(buffer, offset, count);
            }
        }
    }
}
