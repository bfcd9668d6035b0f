using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Masquerade.AccessPoint.Agent.Devices;
using Masquerade.AccessPoint.Agent.Runtime;
using Masquerade.Auth.FastTransition;
using Masquerade.Core.Flow;

namespace Masquerade.AccessPoint.Agent.Radio;

/// <summary>The link to hostapd: frames of its protocol between key holders, on a packet socket that the kernel gives no others.</summary>
internal sealed class KeySocket : IDisposable
{
    private readonly Socket _socket;
    private readonly Func<AgentInput, CancellationToken, ValueTask> _post;
    private long _unsent;

    /// <param name="name">The interface.</param>
    /// <param name="post">Takes what comes.</param>
    /// <exception cref="DeviceException">It cannot be opened: no such interface, no Ethernet, or not allowed.</exception>
    public KeySocket(string name, Func<AgentInput, CancellationToken, ValueTask> post)
    {
        _post = post;
        HardwareAddress = InterfaceQuery.Read(name).HardwareAddress;
        try
        {
            _socket = new Socket(AddressFamily.Packet, SocketType.Raw, (ProtocolType)(ushort)IPAddress.HostToNetworkOrder(unchecked((short)RrbKeyHolder.EtherType)));
        }
        catch (SocketException e)
        {
            throw new DeviceException($"{name}: open a packet socket for fast transition keys: {e.Message}", e);
        }

        try
        {
            _socket.Bind(new LinkEndPoint(Libc.if_nametoindex(name)));
            _socket.Blocking = false;
        }
        catch (SocketException e)
        {
            _socket.Dispose();
            throw new DeviceException($"{name}: bind: {e.Message}", e);
        }
    }

    /// <summary>The interface's MAC address.</summary>
    public MacAddress HardwareAddress { get; }

    /// <summary>Frames that the kernel has not taken.</summary>
    public long Unsent => Interlocked.Read(ref _unsent);

    /// <summary>Runs until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancel)
    {
        var buffer = new byte[2_048];
        try
        {
            while (true)
            {
                int length;
                try
                {
                    length = await _socket.ReceiveAsync(buffer, cancel).ConfigureAwait(false);
                }
                catch (SocketException)
                {
                    // The interface is down. When it comes up again, so do its frames.
                    await Task.Delay(TimeSpan.FromSeconds(1), cancel).ConfigureAwait(false);
                    continue;
                }

                await _post(new KeyFrameReceived(buffer[..length]), cancel).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
            // The agent stops.
        }
    }

    /// <summary>Sends a frame, or counts that it could not be sent: hostapd asks again.</summary>
    public void Send(ReadOnlySpan<byte> frame)
    {
        var sent = _socket.Send(frame, SocketFlags.None, out var error);
        if (error != SocketError.Success || sent != frame.Length)
        {
            Interlocked.Increment(ref _unsent);
        }
    }

    public void Dispose() => _socket.Dispose();

    /// <summary>struct sockaddr_ll for all of an interface's frames of the protocol.</summary>
    private sealed class LinkEndPoint(uint index) : EndPoint
    {
        private const int Size = 20;

        public override AddressFamily AddressFamily => AddressFamily.Packet;

        public override SocketAddress Serialize()
        {
            var address = new SocketAddress(AddressFamily.Packet, Size);
            var octets = address.Buffer.Span;
            BinaryPrimitives.WriteUInt16BigEndian(octets[2..], RrbKeyHolder.EtherType);
            BitConverter.TryWriteBytes(octets[4..], index);
            return address;
        }

        public override EndPoint Create(SocketAddress socketAddress) => this;
    }
}
