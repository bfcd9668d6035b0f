using System.Runtime.InteropServices;

namespace Masquerade.AccessPoint.Agent.Devices;

/// <summary>A packet device cannot be opened or has stopped working. The message names the device and says what to do about it where that is known.</summary>
public sealed class DeviceException : IOException
{
    /// <summary>An error with no more to say.</summary>
    public DeviceException()
    {
    }

    /// <summary>An error with a message for the operator.</summary>
    public DeviceException(string message)
        : base(message)
    {
    }

    /// <summary>An error with a message for the operator and its cause.</summary>
    public DeviceException(string message, Exception innerException)
        : base(message, innerException)
    {
    }

    /// <summary>The error number of the system call that failed; 0 if none did.</summary>
    public int ErrorNumber { get; private init; }

    internal static DeviceException FromErrorNumber(string device, string action, int errorNumber)
    {
        var text = errorNumber switch
        {
            Libc.ENODEV or Libc.ENXIO => "no such interface (or not in this network namespace)",
            Libc.EPERM or Libc.EACCES => "no permission; the process needs CAP_NET_RAW (run as root, or: setcap cap_net_raw+ep)",
            Libc.ENOMEM => "not enough memory for the packet rings",
            Libc.ENETDOWN => "the interface is down",
            _ => Marshal.GetPInvokeErrorMessage(errorNumber),
        };
        return new DeviceException($"{device}: {action}: {text}") { ErrorNumber = errorNumber };
    }
}
